#include "interpreter/payload.h"

#include "json/jread.h"

int wr_payload_number(const struct wr_frame_piece *piece, const char *name, int64_t min,
                      int64_t max, int64_t *ret, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    const struct wr_json_field field = {
        .name = name, .kind = WR_JSON_I64, .required = true, .ret = ret, .min = min, .max = max};

    int rc = wr_json_parse(piece->data, piece->len, &json, err);
    if (rc == 0)
        rc = wr_json_read(json, &field, 1, WR_JSON_IGNORE_UNKNOWN, err);
    return rc < 0 ? wr_wrap(err, "the runner's frame '%c'", piece->kind) : 0;
}
