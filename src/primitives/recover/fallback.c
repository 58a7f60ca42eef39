#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"
#include "primitives/recover/outcome.h"
#include "warren/recovery.h"

#define NAME "FallbackPrimitive"
/* Neither what stays wrong, nor what nobody wants any more, nor code that fails anywhere. */
#define DEFAULT_CLASSES \
    (WR_CLASSES_ALL & ~(unsigned)(WR_CLASS_INPUT | WR_CLASS_CANCELED | WR_CLASS_CODE))

struct fallback {
    struct wr_primitive *primary, *other;
    unsigned classes;
    atomic_uint_least64_t primaries, fallbacks, failed;
};

static int run_in_span(struct wr_primitive *primitive, const char *name,
                       const struct wr_value *input, struct wr_workflow *workflow,
                       struct wr_value **ret, struct wr_error *err)
{
    wr_workflow_checkpoint(workflow, name);
    struct wr_span *span = wr_span_begin(workflow, name);
    wr_span_set_string(span, "fallback.primitive_type", wr_primitive_name(primitive));
    int r = wr_primitive_execute(primitive, input, workflow, ret, err);
    wr_span_set_string(span, "fallback.status", r == 0 ? "success" : "error");
    wr_span_end(span, r < 0 ? err : NULL);
    return r;
}

static void log_event(struct wr_workflow *workflow, const char *level, const char *event,
                      const char *path, const char *error)
{
    wr_telemetry_log(
        workflow, level, event, NAME,
        json_pack("{s:s, s:o}", "execution_path", path, "error", wr_error_text(error)));
}

/* The first one's error stays, and names the second. */
static int both_failed(const struct wr_error *first, const struct wr_error *second,
                       struct wr_error *err)
{
    (void)wr_fail(err, (enum wr_code)first->code, 0, "%.120s; the fallback: %.100s", first->msg,
                  second->msg);
    err->os_errno = first->os_errno;
    err->retry_after_ms = first->retry_after_ms;
    return -err->code;
}

static int run_other(struct fallback *fallback, const struct wr_value *input,
                     struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err)
{
    atomic_fetch_add(&fallback->fallbacks, 1);
    wr_metric_add(wr_workflow_telemetry(workflow), WR_METRIC_FALLBACKS, NULL, 1);
    return run_in_span(fallback->other, "fallback.fallback", input, workflow, ret, err);
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct fallback *fallback = self;
    struct wr_error first = {0}, second = {0};
    wr_auto_value *value = NULL;

    int r = run_in_span(fallback->primary, "fallback.primary", input, workflow, &value, &first);
    unsigned error_class = wr_outcome_class(r, value, &first);
    if (error_class == WR_CLASS_NONE)
        atomic_fetch_add(&fallback->primaries, 1);
    /* Without time, or when it was given up, the other one would only be told the same. */
    bool triggered = (error_class & fallback->classes) && wr_workflow_check(workflow, &second) == 0;
    if (triggered) {
        log_event(workflow, "warning", "fallback_triggered", "primary",
                  r < 0 ? first.msg : wr_value_string(value, "error"));
        if (run_other(fallback, input, workflow, ret, &second) == 0)
            return 0;
        log_event(workflow, "error", "fallback_exhausted", "primary,fallback", second.msg);
    }
    if (r == 0) {
        *ret = wr_steal_ptr(&value);
        return 0;
    }
    atomic_fetch_add(&fallback->failed, 1);
    if (triggered)
        return both_failed(&first, &second, err);
    *err = first;
    return r;
}

static struct wr_value *stats(void *self)
{
    struct fallback *fallback = self;

    return wr_value_of_json(json_pack("{s:I, s:I, s:I}", "primary",
                                      (json_int_t)atomic_load(&fallback->primaries), "fallback",
                                      (json_int_t)atomic_load(&fallback->fallbacks), "failed",
                                      (json_int_t)atomic_load(&fallback->failed)));
}

static void fallback_free(void *self)
{
    struct fallback *fallback = self;

    wr_primitive_free(fallback->primary);
    wr_primitive_free(fallback->other);
    free(fallback);
}

static const struct wr_primitive_ops fallback_ops = {
    .struct_size = sizeof fallback_ops, .execute = execute, .stats = stats, .free = fallback_free};

struct wr_primitive *wr_fallback_new(struct wr_primitive *primary, struct wr_primitive *other,
                                     const struct wr_fallback_opts *given, struct wr_error *err)
{
    wr_auto_primitive *held = primary;
    wr_auto_primitive *held_other = other;
    struct wr_fallback_opts opts;
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (!primary || !other ||
        wr_options_read(given, &opts, sizeof opts, "wr_fallback_opts", err) < 0 ||
        wr_classes_check(opts.classes, "classes of a fallback", err) < 0)
        return NULL;
    wr_auto_free struct fallback *fallback = wr_calloc(1, sizeof *fallback);
    if (!fallback) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "fallback");
        return NULL;
    }
    fallback->classes = opts.classes ? opts.classes : DEFAULT_CLASSES;
    wr_primitive_scope_of(NAME, (struct wr_primitive *const[]){primary, other}, 2, scope);
    struct wr_primitive *primitive = wr_primitive_make(
        &(struct wr_primitive_spec){
            .name = NAME, .ops = &fallback_ops, .self = fallback, .scope = scope},
        err);
    if (!primitive)
        return NULL;
    fallback->primary = wr_steal_ptr(&held);
    fallback->other = wr_steal_ptr(&held_other);
    wr_steal_ptr(&fallback);
    return primitive;
}
