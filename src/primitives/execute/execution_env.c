#include "primitives/execute/execution_env.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rand.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/traceparent.h"
#include "primitives/core/workflow.h"

/* Without spans nobody is the parent inside the sandbox, but the trace is known all the same: the
 * id of a parent must not be zero, so one is made up, as for a span that nobody records. */
static void traceparent_of(const struct wr_workflow *workflow, char ret[static WR_TRACEPARENT_SIZE])
{
    static const uint8_t none[WR_SPAN_ID_BYTES];
    struct wr_traceparent trace;

    memcpy(trace.trace_id, wr_workflow_trace_id(workflow), sizeof trace.trace_id);
    memcpy(trace.span_id, wr_workflow_span_id(workflow), sizeof trace.span_id);
    trace.flags = wr_workflow_sampled(workflow);
    if (memcmp(trace.span_id, none, sizeof none) == 0)
        wr_random_bytes(trace.span_id, sizeof trace.span_id);
    wr_traceparent_write(&trace, ret);
}

/* The ids are the caller's and may be no UTF-8. */
static json_t *text_of(const char *text)
{
    return wr_value_json(wr_value_of_bytes(text, strlen(text)));
}

static int add_workflow(json_t *all, const json_t *own, const struct wr_workflow *workflow)
{
    char traceparent[WR_TRACEPARENT_SIZE];
    const char *tracestate = wr_workflow_tracestate(workflow);

    int r = json_object_set_new(all, "WARREN_CORRELATION_ID",
                                text_of(wr_workflow_correlation_id(workflow)));
    if (json_object_get(own, "TRACEPARENT"))
        return r;
    traceparent_of(workflow, traceparent);
    r |= json_object_set_new(all, "TRACEPARENT", json_string(traceparent));
    /* A state without its parent would say something about another trace. */
    json_object_del(all, "TRACESTATE");
    if (*tracestate)
        r |= json_object_set_new(all, "TRACESTATE", text_of(tracestate));
    return r;
}

static int write_items(const json_t *all, struct wr_execution_env *ret)
{
    const char *name;
    json_t *value;

    ret->items = wr_calloc(json_object_size(all) + 1, sizeof *ret->items);
    if (!ret->items)
        return -ENOMEM;
    json_object_foreach((json_t *)(uintptr_t)all, name, value) {
        char *item = wr_asprintf("%s=%s", name, json_string_value(value));
        if (!item)
            return -ENOMEM;
        ret->items[ret->count++] = item;
    }
    return 0;
}

int wr_execution_env_make(const struct wr_execution_env_opts *opts,
                          const struct wr_workflow *workflow, struct wr_execution_env *ret,
                          struct wr_error *err)
{
    wr_auto_execution_env made = {0};
    wr_auto_json *all = json_object();

    int r = all ? 0 : -ENOMEM;
    if (r == 0 && opts->always)
        r = json_object_update(all, (json_t *)(uintptr_t)opts->always);
    if (r == 0 && opts->own)
        r = json_object_update(all, (json_t *)(uintptr_t)opts->own);
    if (r == 0)
        r = add_workflow(all, opts->own, workflow);
    if (r == 0 && opts->no_install)
        r = json_object_set_new(all, "PIP_NO_INDEX", json_string("1"));
    if (r == 0)
        r = write_items(all, &made);
    if (r != 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "environment");
    *ret = made;
    made = (struct wr_execution_env){0};
    return 0;
}

void wr_execution_env_done(struct wr_execution_env *env)
{
    for (size_t i = 0; i < env->count; i++)
        free(env->items[i]);
    free(env->items);
    *env = (struct wr_execution_env){0};
}
