#include "primitives/recover/retry.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "json/value.h"
#include "primitives/core/clock.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"
#include "primitives/recover/outcome.h"

#define NAME           "RetryPrimitive"
#define RETRIES_MAX    1000
#define DELAY_MAX_MS   ((uint64_t)24 * 60 * 60 * 1000)
#define DEFAULT_FACTOR 2

struct retry {
    struct wr_primitive *inner;
    const struct wr_clock *clock;
    const struct wr_random *random;
    struct wr_backoff_policy backoff;
    unsigned max_retries, classes;
    atomic_uint_least64_t attempts, retries, recovered, exhausted;
};

/* One execution of the whole. */
struct run {
    struct retry *retry;
    const struct wr_value *input;
    struct wr_workflow *workflow;
    unsigned attempt; /* from 1 */
};

static int run_attempt(const struct run *run, struct wr_value **ret, struct wr_error *err)
{
    struct retry *retry = run->retry;
    char name[48];

    (void)snprintf(name, sizeof name, "retry.attempt_%u", run->attempt);
    atomic_fetch_add(&retry->attempts, 1);
    wr_workflow_checkpoint(run->workflow, name);
    struct wr_span *span = wr_span_begin(run->workflow, name);
    wr_span_set_int(span, "retry.attempt", run->attempt);
    wr_span_set_int(span, "retry.max_attempts", (int64_t)retry->max_retries + 1);
    wr_span_set_string(span, "retry.primitive_type", wr_primitive_name(retry->inner));
    int r = wr_primitive_execute(retry->inner, run->input, run->workflow, ret, err);
    bool good = wr_outcome_class(r, *ret, err) == WR_CLASS_NONE;
    wr_span_set_string(span, "retry.status", good ? "success" : "error");
    if (good)
        wr_span_set_int(span, "retry.succeeded_on_attempt", run->attempt);
    else
        wr_span_set_string(span, "retry.error", r < 0 ? err->msg : wr_value_string(*ret, "error"));
    wr_span_end(span, r < 0 ? err : NULL);
    return r;
}

static uint64_t delay_of(const struct run *run, int r, const struct wr_error *err)
{
    const struct retry *retry = run->retry;

    /* Whoever refused knows better than we when it makes sense. */
    if (r < 0 && err->retry_after_ms > 0)
        return WR_MIN((uint64_t)err->retry_after_ms, retry->backoff.max_delay_ms);
    return wr_backoff_delay_ms(&retry->backoff, run->attempt - 1,
                               retry->random->next(retry->random->self));
}

/* Whether an attempt after `delay_ms` could still begin. */
static bool has_room(const struct run *run, uint64_t delay_ms)
{
    uint64_t left_ms = wr_workflow_wait(run->workflow, 0).timeout_ms;

    return left_ms == 0 || delay_ms < left_ms;
}

static void log_failure(const struct run *run, enum wr_error_class error_class, const char *error,
                        uint64_t delay_ms)
{
    wr_telemetry_log(run->workflow, "warning", "retry_attempt_failed", NAME,
                     json_pack("{s:i, s:i, s:s, s:o, s:f}", "attempt", (int)run->attempt,
                               "max_attempts", (int)run->retry->max_retries + 1, "error_class",
                               wr_error_class_name(error_class), "error", wr_error_text(error),
                               "backoff_delay", (double)delay_ms / 1e3));
}

static void log_end(const struct run *run, const char *level, const char *event)
{
    wr_telemetry_log(run->workflow, level, event, NAME,
                     json_pack("{s:i}", "attempts", (int)run->attempt));
}

/* Waits for the next attempt. 0; 1: there is none; or CANCELED. */
static int wait_for_next(struct run *run, int r, const struct wr_value *value, struct wr_error *err)
{
    struct retry *retry = run->retry;
    enum wr_error_class error_class = wr_outcome_class(r, value, err);
    const char *error = r < 0 ? err->msg : wr_value_string(value, "error");
    bool last = run->attempt > retry->max_retries;
    uint64_t delay_ms = last ? 0 : delay_of(run, r, err);

    log_failure(run, error_class, error, delay_ms);
    if (last || !has_room(run, delay_ms)) {
        atomic_fetch_add(&retry->exhausted, 1);
        log_end(run, "error", "retry_exhausted");
        return 1;
    }
    struct wr_error gone = {0};
    char name[48];
    (void)snprintf(name, sizeof name, "retry.backoff_%u", run->attempt);
    wr_workflow_checkpoint(run->workflow, name);
    r = retry->clock->sleep_until(retry->clock->self, wr_clock_now_ms(retry->clock) + delay_ms,
                                  wr_workflow_wait(run->workflow, 0).cancel, &gone);
    if (r < 0) {
        *err = gone;
        return r;
    }
    atomic_fetch_add(&retry->retries, 1);
    wr_metric_add(wr_workflow_telemetry(run->workflow), WR_METRIC_RETRIES, NULL, 1);
    return 0;
}

static int run_all(struct run *run, struct wr_value **ret, struct wr_error *err)
{
    struct retry *retry = run->retry;

    for (run->attempt = 1;; run->attempt++) {
        struct wr_error failure = {0};
        wr_auto_value *value = NULL;
        int r = run_attempt(run, &value, &failure);
        enum wr_error_class error_class = wr_outcome_class(r, value, &failure);
        if (error_class != WR_CLASS_NONE && (error_class & retry->classes)) {
            int waited = wait_for_next(run, r, value, &failure);
            if (waited == 0)
                continue;
            if (waited < 0)
                r = waited;
        } else if (error_class == WR_CLASS_NONE && run->attempt > 1) {
            atomic_fetch_add(&retry->recovered, 1);
            log_end(run, "info", "retry_attempt_success");
        }
        if (r == 0) {
            *ret = wr_steal_ptr(&value);
            return 0;
        }
        *err = failure;
        return run->attempt > 1 ? wr_wrap(err, "after %u attempts", run->attempt) : r;
    }
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct run run = {.retry = self, .input = input, .workflow = workflow};

    wr_workflow_checkpoint(workflow, "retry.start");
    int r = run_all(&run, ret, err);
    wr_workflow_checkpoint(workflow, "retry.end");
    return r;
}

static struct wr_value *stats(void *self)
{
    struct retry *retry = self;

    return wr_value_of_json(json_pack("{s:I, s:I, s:I, s:I}", "attempts",
                                      (json_int_t)atomic_load(&retry->attempts), "retries",
                                      (json_int_t)atomic_load(&retry->retries), "recovered",
                                      (json_int_t)atomic_load(&retry->recovered), "exhausted",
                                      (json_int_t)atomic_load(&retry->exhausted)));
}

static void retry_free(void *self)
{
    struct retry *retry = self;

    wr_primitive_free(retry->inner);
    free(retry);
}

static const struct wr_primitive_ops retry_ops = {
    .struct_size = sizeof retry_ops, .execute = execute, .stats = stats, .free = retry_free};

static int check(const struct wr_retry_opts *opts, struct wr_error *err)
{
    if (opts->max_retries > RETRIES_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_retries: %u is above %d",
                       opts->max_retries, RETRIES_MAX);
    if ((unsigned)opts->backoff > WR_BACKOFF_CONSTANT)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "backoff: %d is none", (int)opts->backoff);
    if (!isfinite(opts->factor) || (opts->factor != 0 && opts->factor < 1))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "factor: %g is below 1", opts->factor);
    if (opts->delay_ms > DELAY_MAX_MS || opts->max_delay_ms > DELAY_MAX_MS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a delay is longer than a day");
    return wr_classes_check(opts->classes, "classes of a retry", err);
}

struct wr_primitive *wr_retry_make(struct wr_primitive *inner, const struct wr_retry_opts *given,
                                   const struct wr_random *random, struct wr_error *err)
{
    wr_auto_primitive *held = inner;
    struct wr_retry_opts opts;

    if (!inner || wr_options_read(given, &opts, sizeof opts, "wr_retry_opts", err) < 0 ||
        check(&opts, err) < 0)
        return NULL;
    wr_auto_free struct retry *retry = wr_calloc(1, sizeof *retry);
    if (!retry) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "retry");
        return NULL;
    }
    retry->clock = wr_clock_or_system(opts.clock);
    retry->random = random;
    retry->max_retries = opts.max_retries ? opts.max_retries : 3;
    retry->classes = opts.classes ? opts.classes : WR_CLASS_RATE_LIMIT | WR_CLASS_SERVICE;
    retry->backoff = (struct wr_backoff_policy){
        .kind = opts.backoff,
        .delay_ms = opts.delay_ms ? opts.delay_ms : 1000,
        .factor = opts.factor != 0 ? opts.factor : DEFAULT_FACTOR,
        .max_delay_ms = opts.max_delay_ms ? opts.max_delay_ms : 60000,
        .jitter = !opts.no_jitter,
    };
    struct wr_primitive *primitive = wr_primitive_make(
        &(struct wr_primitive_spec){
            .name = NAME, .ops = &retry_ops, .self = retry, .scope = wr_primitive_scope(inner)},
        err);
    if (!primitive)
        return NULL;
    wr_steal_ptr(&retry)->inner = wr_steal_ptr(&held);
    return primitive;
}

struct wr_primitive *wr_retry_new(struct wr_primitive *inner, const struct wr_retry_opts *opts,
                                  struct wr_error *err)
{
    return wr_retry_make(inner, opts, &wr_system_random, err);
}
