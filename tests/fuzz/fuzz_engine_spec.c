/* What the server asks the engine for, and the engine's own record of it: a record that is read is
 * written back to the same record. */
#include "base/buf.h"
#include "engine/spec.h"
#include "fuzz.h"
#include "json/jread.h"

#define MAX_RECORD ((size_t)64 * 1024)

static void check_record(const json_t *json)
{
    wr_auto_buf first = WR_BUF(MAX_RECORD), second = WR_BUF(MAX_RECORD);
    wr_auto_json *again = NULL;
    struct wr_spec spec = {0}, copy = {0};
    struct wr_error err = {0};

    if (wr_spec_read_record(json, &spec, &err) < 0) {
        HOLDS(err.code != WR_OK);
        return;
    }
    HOLDS(wr_spec_write_record(&spec, &first) == 0);
    HOLDS(wr_json_parse(wr_buf_ptr(&first), first.len, &again, &err) == 0);
    HOLDS(wr_spec_read_record(again, &copy, &err) == 0);
    HOLDS(wr_spec_write_record(&copy, &second) == 0);
    HOLDS(first.len == second.len &&
          memcmp(wr_buf_ptr(&first), wr_buf_ptr(&second), first.len) == 0);
    wr_spec_done(&spec);
    wr_spec_done(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_json *json = NULL;
    struct wr_spec spec = {0};
    struct wr_error err = {0};

    if (wr_json_parse((const char *)data, size, &json, &err) < 0)
        return 0;
    if (wr_spec_read(json, &spec, &err) == 0) {
        HOLDS(spec.template_name[0] && (!spec.id[0] || wr_id_valid(spec.id)));
        wr_spec_done(&spec);
    } else {
        HOLDS(err.code != WR_OK);
    }
    check_record(json);
    return 0;
}
