/* Lines of an interpreter's stream in pieces: every object is one, and how the bytes were cut makes
 * no difference. */
#include "client/ndjson.h"
#include "fuzz.h"
#include "json/jread.h"

/* Objects until the end or the first error, whose code is negative. */
static int count_lines(struct wr_ndjson *reader, const uint8_t *data, size_t size, size_t piece,
                       size_t *ret_count)
{
    struct wr_error err = {0};
    int r = 0;

    *ret_count = 0;
    for (size_t at = 0; r >= 0 && at < size; at += piece) {
        r = wr_ndjson_push(reader, (const char *)data + at, WR_MIN(piece, size - at), &err);
        while (r >= 0) {
            wr_auto_json *json = NULL;
            r = wr_ndjson_next(reader, &json, &err);
            HOLDS(r <= 1 && (r == 1) == json_is_object(json));
            if (r != 1)
                break;
            ++*ret_count;
        }
    }
    HOLDS(r >= 0 || r == -err.code);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_ndjson whole, pieces;
    size_t count = 0, again = 0;

    wr_ndjson_init(&whole);
    wr_ndjson_init(&pieces);
    int r = count_lines(&whole, data, size, size ? size : 1, &count);
    HOLDS(count_lines(&pieces, data, size, 3, &again) == r && again == count);
    wr_ndjson_done(&whole);
    wr_ndjson_done(&pieces);
    return 0;
}
