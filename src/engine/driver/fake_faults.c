#include "engine/driver/fake_faults.h"

#include <stdlib.h>

#include "base/parse.h"

int wr_fake_fault(const json_t *env, const char *name)
{
    const char *text = json_string_value(json_object_get(env, name));
    int64_t code = 0;

    if (!text || wr_parse_i64(text, 1 - WR_E_MAX_, WR_E_MAX_ - 1, &code) < 0)
        return 0;
    return (int)code;
}

int wr_fake_fail(int fault, const char *name, struct wr_error *err)
{
    return fault ? wr_fail(err, (enum wr_code)abs(fault), 0, "%s says so", name) : 0;
}

bool wr_fake_exits(const json_t *env, const char *name)
{
    const char *text = json_string_value(json_object_get(env, WR_FAKE_EXIT));

    return text && wr_streq(text, name);
}
