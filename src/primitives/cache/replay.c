#include "primitives/cache/replay.h"

#include <errno.h>

#include "base/base.h"
#include "base/error.h"
#include "json/value.h"
#include "primitives/core/workflow.h"

static int emit_text(const struct wr_value *output, const char *member,
                     enum wr_code_event_kind kind, struct wr_workflow *workflow)
{
    const json_t *text = wr_value_json(wr_value_get(output, member));
    const struct wr_code_event event = {
        .kind = kind, .text = json_string_value(text), .text_len = json_string_length(text)};

    return event.text_len > 0 ? wr_workflow_emit(workflow, &event) : 0;
}

static int emit_results(const struct wr_value *output, struct wr_workflow *workflow)
{
    const struct wr_value *results = wr_value_get(output, "results");
    int r = 0;

    for (size_t i = 0; i < wr_value_count(results) && r == 0; i++) {
        const struct wr_code_event event = {.kind = WR_CODE_RESULT,
                                            .value = wr_value_at(results, i)};
        if (event.value)
            r = wr_workflow_emit(workflow, &event);
    }
    return r;
}

static int emit_error(const struct wr_value *output, struct wr_workflow *workflow)
{
    if (!*wr_value_string(output, "error_name"))
        return 0;
    wr_auto_value *error = wr_value_of_json(json_pack(
        "{s:s, s:s, s:s}", "name", wr_value_string(output, "error_name"), "value",
        wr_value_string(output, "error_value"), "traceback", wr_value_string(output, "traceback")));
    const struct wr_code_event event = {.kind = WR_CODE_ERROR, .value = error};

    return error ? wr_workflow_emit(workflow, &event) : -ENOMEM;
}

int wr_cache_replay(const struct wr_value *output, struct wr_workflow *workflow,
                    struct wr_error *err)
{
    if (!wr_workflow_listens(workflow))
        return 0;
    if (emit_text(output, "stdout", WR_CODE_STDOUT, workflow) == 0 &&
        emit_text(output, "stderr", WR_CODE_STDERR, workflow) == 0 &&
        emit_results(output, workflow) == 0 && emit_error(output, workflow) == 0)
        return 0;
    return wr_fail(err, WR_E_CANCELED, 0, "the listener gave the result up");
}
