/*
 * The end of an inner execution is told in two ways: its workflow has a deadline, which everything
 * of the library that blocks looks at, and its token is fired, for primitives that watch only that.
 * One that ignores both runs on, and the timeout with it: a thread cannot be ended from outside.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"
#include "primitives/recover/outcome.h"
#include "primitives/recover/watchdog.h"
#include "warren/recovery.h"

#define NAME           "TimeoutPrimitive"
#define TIMEOUT_MAX_MS ((uint64_t)30 * 24 * 60 * 60 * 1000)
#define HISTORY_MAX    1000 /* entries of "timeout_history"; the oldest go */

struct timeout {
    struct wr_primitive *inner, *fallback;
    struct wr_watchdog *watchdog;
    uint64_t timeout_ms;
    atomic_uint_least64_t executions, timeouts, fallbacks;
};

/* Whether the time that was over was ours, and not that of the workflow around it. */
static bool was_ours(int r, const struct wr_error *err, const struct wr_workflow *scope,
                     const struct wr_workflow *workflow)
{
    struct wr_error ignored = {0};

    return r < 0 && (err->code == WR_E_CANCELED || err->code == WR_E_DEADLINE_EXCEEDED) &&
           wr_workflow_check(scope, &ignored) < 0 && wr_workflow_check(workflow, &ignored) == 0;
}

static int run_inner(struct timeout *timeout, const struct wr_value *input,
                     struct wr_workflow *workflow, bool *ret_expired, struct wr_value **ret,
                     struct wr_error *err)
{
    const struct wr_scope_opts opts = {.timeout_ms = timeout->timeout_ms, .own_cancel = true};
    wr_auto_workflow *scope = wr_workflow_scope(workflow, &opts, err);
    struct wr_watch watch;

    if (!scope)
        return -err->code;
    int r = wr_watchdog_arm(timeout->watchdog, &watch, wr_workflow_wait(scope, 0).cancel,
                            timeout->timeout_ms, err);
    if (r < 0)
        return r;
    r = wr_primitive_execute(timeout->inner, input, scope, ret, err);
    wr_watchdog_disarm(timeout->watchdog, &watch);
    *ret_expired = was_ours(r, err, scope, workflow);
    /* Nobody has cancelled it: the time around it was over while the watchdog fired. */
    struct wr_error over = {0};
    if (!*ret_expired && r == -WR_E_CANCELED &&
        wr_workflow_check(workflow, &over) == -WR_E_DEADLINE_EXCEEDED)
        r = -(*err = over).code;
    return r;
}

static struct wr_value *longer_history(const struct wr_value *old, void *data)
{
    const struct timeout *timeout = data;
    json_t *list = json_is_array(wr_value_json(old)) ? json_copy(wr_value_json(old)) : json_array();

    if (json_array_size(list) >= HISTORY_MAX)
        (void)json_array_remove(list, 0);
    if (json_array_append_new(list, json_pack("{s:s, s:f, s:b}", "primitive",
                                              wr_primitive_name(timeout->inner), "timeout",
                                              (double)timeout->timeout_ms / 1e3, "had_fallback",
                                              timeout->fallback != NULL)) < 0) {
        json_decref(list);
        return NULL;
    }
    return wr_value_of_json(list);
}

static void tell(struct timeout *timeout, struct wr_workflow *workflow)
{
    struct wr_error ignored = {0};

    atomic_fetch_add(&timeout->timeouts, 1);
    wr_workflow_count(workflow, "timeout_count");
    /* Without memory the history is shorter, and the timeout is still one. */
    (void)!wr_workflow_update(workflow, "timeout_history", longer_history, timeout, &ignored);
    wr_workflow_checkpoint(workflow, "timeout.expired");
    wr_metric_add(wr_workflow_telemetry(workflow), WR_METRIC_TIMEOUTS, NULL, 1);
    wr_telemetry_log(workflow, "warning", "timeout_expired", NAME,
                     json_pack("{s:s, s:f, s:b}", "inner", wr_primitive_name(timeout->inner),
                               "timeout", (double)timeout->timeout_ms / 1e3, "had_fallback",
                               timeout->fallback != NULL));
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct timeout *timeout = self;
    bool expired = false;

    atomic_fetch_add(&timeout->executions, 1);
    int r = run_inner(timeout, input, workflow, &expired, ret, err);
    if (!expired)
        return r;
    tell(timeout, workflow);
    if (!timeout->fallback)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s did not end within %.3f s",
                       wr_primitive_name(timeout->inner), (double)timeout->timeout_ms / 1e3);
    atomic_fetch_add(&timeout->fallbacks, 1);
    struct wr_span *span = wr_span_begin(workflow, "timeout.fallback");
    r = wr_primitive_execute(timeout->fallback, input, workflow, ret, err);
    wr_span_end(span, r < 0 ? err : NULL);
    return r;
}

static struct wr_value *stats(void *self)
{
    struct timeout *timeout = self;

    return wr_value_of_json(json_pack("{s:I, s:I, s:I}", "executions",
                                      (json_int_t)atomic_load(&timeout->executions), "timeouts",
                                      (json_int_t)atomic_load(&timeout->timeouts), "fallbacks",
                                      (json_int_t)atomic_load(&timeout->fallbacks)));
}

static void timeout_free(void *self)
{
    struct timeout *timeout = self;

    wr_primitive_free(timeout->inner);
    wr_primitive_free(timeout->fallback);
    wr_watchdog_free(timeout->watchdog);
    free(timeout);
}

static const struct wr_primitive_ops timeout_ops = {
    .struct_size = sizeof timeout_ops, .execute = execute, .stats = stats, .free = timeout_free};

struct wr_primitive *wr_timeout_new(struct wr_primitive *inner, uint64_t timeout_ms,
                                    struct wr_primitive *fallback, struct wr_error *err)
{
    wr_auto_primitive *held = inner;
    wr_auto_primitive *held_fallback = fallback;
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (!inner)
        return NULL;
    if (timeout_ms == 0 || timeout_ms > TIMEOUT_MAX_MS) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a timeout is 1 ms to 30 days");
        return NULL;
    }
    wr_auto_free struct timeout *timeout = wr_calloc(1, sizeof *timeout);
    if (!timeout) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "timeout");
        return NULL;
    }
    timeout->timeout_ms = timeout_ms;
    timeout->watchdog = wr_watchdog_new(err);
    if (!timeout->watchdog)
        return NULL;
    wr_primitive_scope_of(NAME, (struct wr_primitive *const[]){inner, fallback}, fallback ? 2 : 1,
                          scope);
    struct wr_primitive *primitive = wr_primitive_make(
        &(struct wr_primitive_spec){
            .name = NAME,
            .ops = &timeout_ops,
            .self = timeout,
            .scope = fallback ? scope : wr_primitive_scope(inner),
        },
        err);
    if (!primitive) {
        wr_watchdog_free(timeout->watchdog);
        return NULL;
    }
    timeout->inner = wr_steal_ptr(&held);
    timeout->fallback = wr_steal_ptr(&held_fallback);
    wr_steal_ptr(&timeout);
    return primitive;
}
