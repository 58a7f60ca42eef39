/* What the server asks the engine for, when a sandbox begins and when it goes on, and the engine's
 * own record of it: a record that is read is written back to the same record. */
#include "base/buf.h"
#include "engine/spec_resume.h"
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

/* What is taken over is valid; what is not, leaves no trace. */
static void check_resume(const json_t *json,
                         int (*read)(const json_t *payload, struct wr_spec_resume *ret,
                                     struct wr_error *err))
{
    struct wr_spec_resume resume;
    struct wr_spec spec = {0};
    struct wr_error err = {0};

    if (read(json, &resume, &err) == 0 && wr_spec_take_resume(&spec, &resume, &err) == 0)
        HOLDS(resume.id && spec.env && spec.sockets <= WR_ACTION_MAX_SOCKETS);
    else
        HOLDS(err.code != WR_OK && !spec.env && !spec.access_token[0] && !spec.control_token[0]);
    wr_spec_done(&spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_json *json = NULL;
    struct wr_spec spec = {0};
    struct wr_error err = {0};

    if (wr_json_parse((const char *)data, size, &json, &err) < 0)
        return 0;
    if (wr_spec_read(json, &spec, &err) == 0) {
        HOLDS(!spec.template_name[0] != !spec.snapshot[0] &&
              (!spec.snapshot[0] || wr_id_valid(spec.snapshot)) &&
              (!spec.id[0] || wr_id_valid(spec.id)));
        wr_spec_done(&spec);
    } else {
        HOLDS(err.code != WR_OK);
    }
    check_resume(json, wr_spec_read_resume);
    check_resume(json, wr_spec_read_rollback);
    check_record(json);
    return 0;
}
