#include "agent/exec/select.h"

struct wr_process *wr_process_select(struct wr_process_table *table, const json_t *request,
                                     bool with_ended, struct wr_error *err)
{
    const json_t *selector = json_object_get(request, "process");
    const json_t *pid = json_object_get(selector, "pid");
    const char *tag = json_string_value(json_object_get(selector, "tag"));
    struct wr_process *process = NULL;

    if (pid) {
        uint32_t number = (uint32_t)json_integer_value(pid);
        process = wr_process_by_pid(table, number, with_ended);
        if (!process)
            (void)wr_fail(err, WR_E_NOT_FOUND, 0, "process with pid %u not found", number);
    } else if (tag) {
        process = wr_process_by_tag(table, tag, with_ended);
        if (!process)
            (void)wr_fail(err, WR_E_NOT_FOUND, 0, "process with tag %.200s not found", tag);
    } else {
        (void)wr_fail(err, WR_E_UNIMPLEMENTED, 0, "process selector: give a pid or a tag");
    }
    return process;
}
