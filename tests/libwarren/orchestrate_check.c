/*
 * Runs an orchestrator as a JSON object on standard input says, and prints what came of it. The
 * server comes from the environment.
 *
 *     {"options": {"max_concurrent", "share": "volume" or "blackboard", "share_path",
 *      "blackboard_dir", "max_blackboard_bytes", "task_timeout_ms", "stop_on_failure"},
 *      "tasks": [...], "cancel_after": results, "supply": "pool" or "session"}
 *
 * -> {"output": ...} or {"error": {"code", "message"}}, and "told": [index in the order of
 * results], "stats": ...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static struct wr_error err;

struct told {
    struct wr_value *order;
    struct wr_workflow *workflow;
    size_t count, cancel_after; /* 0: never */
};

/* One at a time, so without a lock. */
static void on_result(size_t index, const struct wr_value *result, void *data)
{
    struct told *told = data;

    (void)result;
    set(told->order, NULL, wr_value_of_int((int64_t)index));
    if (++told->count == told->cancel_after)
        wr_workflow_cancel(told->workflow);
}

static struct wr_supply *make_supply(struct wr_client *client, const char *kind)
{
    if (strcmp(kind, "pool") == 0)
        return wr_supply_pool(client, WR_OPTS(wr_supply_opts, .size = 2, .max = 2), &err);
    if (strcmp(kind, "session") == 0)
        return wr_supply_session(client, NULL, &err);
    return NULL;
}

static struct wr_primitive *make(struct wr_client *client, struct wr_supply *supply,
                                 const struct wr_value *options, struct told *told)
{
    const char *share = wr_value_string(options, "share");
    struct wr_orchestrator_opts opts = {
        .struct_size = sizeof opts,
        .max_concurrent = (unsigned)wr_value_int(options, "max_concurrent", 0),
        .supply = supply,
        .task_timeout_ms = (uint64_t)wr_value_int(options, "task_timeout_ms", 0),
        .stop_on_failure = wr_value_bool(options, "stop_on_failure", false),
        .share = strcmp(share, "volume") == 0       ? WR_SHARE_VOLUME
                 : strcmp(share, "blackboard") == 0 ? WR_SHARE_BLACKBOARD
                                                    : WR_SHARE_NONE,
        .share_path = text_or_null(options, "share_path"),
        .blackboard_dir = text_or_null(options, "blackboard_dir"),
        .max_blackboard_bytes = (uint64_t)wr_value_int(options, "max_blackboard_bytes", 0),
        .on_result = on_result,
        .on_result_data = told,
    };

    return wr_orchestrator_new(client, &opts, &err);
}

static struct wr_value *error_value(void)
{
    struct wr_value *error = wr_value_object();

    set(error, "code", wr_value_of_string(wr_code_name((enum wr_code)err.code)));
    set(error, "message", wr_value_of_string(err.msg));
    return error;
}

int main(void)
{
    struct wr_value *script = read_script(), *output = NULL, *shown = wr_value_object();
    struct wr_value *input = wr_value_object();
    struct told told = {.order = wr_value_array(),
                        .workflow = wr_workflow_new(NULL, &err),
                        .cancel_after = (size_t)wr_value_int(script, "cancel_after", 0)};
    struct wr_client *client = wr_client_new(NULL, &err);

    if (!client || !told.workflow)
        die("client", &err);
    struct wr_supply *supply = make_supply(client, wr_value_string(script, "supply"));
    struct wr_primitive *orchestrator =
        make(client, supply, wr_value_get(script, "options"), &told);
    if (!orchestrator)
        die("orchestrator", &err);
    set(input, "tasks", wr_value_ref((struct wr_value *)(uintptr_t)wr_value_get(script, "tasks")));
    if (wr_primitive_execute(orchestrator, input, told.workflow, &output, &err) < 0)
        set(shown, "error", error_value());
    else
        set(shown, "output", output);
    set(shown, "told", told.order);
    set(shown, "stats", wr_primitive_stats(orchestrator));
    wr_primitive_free(orchestrator);
    wr_supply_free(supply);
    wr_client_free(client);
    wr_workflow_free(told.workflow);
    char *text = wr_value_text(shown);
    puts(text);
    wr_free(text);
    wr_value_free(shown);
    wr_value_free(input);
    wr_value_free(script);
    return 0;
}
