/*
 * closed --(failure_threshold failures in a row)--> open --(recovery_timeout_ms)--> half open
 * half open --(success_threshold successes)--> closed;  --(a failure)--> open
 *
 * All state is under one mutex, which is not held while the inner primitive runs. An execution
 * remembers the epoch in which it was admitted; what it came to counts only if no transition has
 * been since: a call that began long ago says nothing about now.
 */
#include <errno.h>
#include <pthread.h>
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
#include "warren/recovery.h"

#define NAME            "CircuitBreakerPrimitive"
#define DEFAULT_CLASSES (WR_CLASS_SERVICE | WR_CLASS_RATE_LIMIT | WR_CLASS_TIMEOUT)
/* What the others are told to wait while a probe is running: nobody knows how long it takes. */
#define PROBE_RETRY_MS  1000

enum state { CLOSED = 0, HALF_OPEN = 1, OPEN = 2 }; /* the values of the metric */

static const struct {
    const char *name, *event;
} states[] = {
    [CLOSED] = {"closed", "circuit_breaker_closed"},
    [HALF_OPEN] = {"half_open", "circuit_breaker_half_open"},
    [OPEN] = {"open", "circuit_breaker_opened"},
};

struct breaker {
    struct wr_primitive *inner;
    const struct wr_clock *clock;
    unsigned failure_threshold, success_threshold, classes;
    uint64_t recovery_timeout_ms;
    pthread_mutex_t lock; /* of what follows */
    enum state state;
    uint64_t epoch; /* number of transitions */
    unsigned failure_count, success_count;
    bool probing; /* half open: the one probe is running */
    uint64_t opened_ms;
    uint64_t opened, rejected;
    struct wr_error last_failure;
};

/* How an execution was admitted. */
struct ticket {
    uint64_t epoch;
    bool probe;
};

static void enter(struct breaker *breaker, enum state state)
{
    breaker->state = state;
    breaker->epoch++;
    breaker->probing = false;
    breaker->success_count = 0;
    if (state == CLOSED)
        breaker->failure_count = 0;
    if (state == OPEN) {
        breaker->opened++;
        breaker->opened_ms = wr_clock_now_ms(breaker->clock);
    }
}

/* Under the lock: what is set last is what it is. */
static void tell(const struct wr_workflow *workflow, enum state state)
{
    wr_metric_set(wr_workflow_telemetry(workflow), WR_METRIC_BREAKER_STATE, NULL, state);
}

static void log_state(struct wr_workflow *workflow, enum state state, const char *error)
{
    wr_workflow_checkpoint(workflow, states[state].event);
    wr_telemetry_log(workflow, state == OPEN ? "warning" : "info", states[state].event, NAME,
                     json_pack("{s:o}", "error", wr_error_text(error)));
}

/* How long an open breaker still rejects. */
static uint64_t rest_ms(struct breaker *breaker)
{
    uint64_t now = wr_clock_now_ms(breaker->clock);

    /* A clock that went back must not keep it open for as long as it went back. */
    if (now < breaker->opened_ms)
        breaker->opened_ms = now;
    uint64_t passed = now - breaker->opened_ms;
    return passed < breaker->recovery_timeout_ms ? breaker->recovery_timeout_ms - passed : 0;
}

static int reject(struct breaker *breaker, uint64_t retry_after_ms, struct wr_error *err)
{
    breaker->rejected++;
    (void)wr_fail(err, WR_E_UNAVAILABLE, 0, "the circuit breaker is %s after %u failures: %.140s",
                  states[breaker->state].name, breaker->failure_count, breaker->last_failure.msg);
    err->retry_after_ms = (uint32_t)WR_MIN(retry_after_ms, UINT32_MAX);
    return -WR_E_UNAVAILABLE;
}

/* Under the lock. */
static int admit(struct breaker *breaker, struct ticket *ret, struct wr_error *err)
{
    if (breaker->state == OPEN) {
        uint64_t rest = rest_ms(breaker);
        if (rest > 0)
            return reject(breaker, rest, err);
        enter(breaker, HALF_OPEN);
    }
    if (breaker->state == HALF_OPEN) {
        if (breaker->probing)
            return reject(breaker, WR_MIN(breaker->recovery_timeout_ms, PROBE_RETRY_MS), err);
        breaker->probing = true;
    }
    *ret = (struct ticket){.epoch = breaker->epoch, .probe = breaker->state == HALF_OPEN};
    return 0;
}

static void count_failure(struct breaker *breaker, const struct wr_error *failure)
{
    breaker->last_failure = *failure;
    breaker->failure_count++;
    if (breaker->state == HALF_OPEN || breaker->failure_count >= breaker->failure_threshold)
        enter(breaker, OPEN);
}

static void count_success(struct breaker *breaker)
{
    if (breaker->state == CLOSED) {
        breaker->failure_count = 0;
        return;
    }
    breaker->success_count++;
    if (breaker->success_count >= breaker->success_threshold)
        enter(breaker, CLOSED);
}

/* Under the lock. */
static void settle(struct breaker *breaker, const struct ticket *ticket, unsigned error_class,
                   const struct wr_error *failure)
{
    if (ticket->epoch != breaker->epoch)
        return;
    if (ticket->probe)
        breaker->probing = false;
    /* Who gave up says nothing about the other side. */
    if (error_class == WR_CLASS_CANCELED && !(breaker->classes & WR_CLASS_CANCELED))
        return;
    if (error_class & breaker->classes)
        count_failure(breaker, failure);
    else
        count_success(breaker);
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct breaker *breaker = self;
    struct ticket ticket = {0};

    (void)pthread_mutex_lock(&breaker->lock);
    enum state before = breaker->state;
    int r = admit(breaker, &ticket, err);
    enum state admitted = breaker->state;
    if (admitted != before)
        tell(workflow, admitted);
    (void)pthread_mutex_unlock(&breaker->lock);
    if (admitted != before)
        log_state(workflow, admitted, "");
    if (r < 0) {
        wr_metric_add(wr_workflow_telemetry(workflow), WR_METRIC_BREAKER_REJECTED, NULL, 1);
        return r;
    }

    wr_auto_value *value = NULL;
    r = wr_primitive_execute(breaker->inner, input, workflow, &value, err);
    struct wr_error failure = {0};
    unsigned error_class = wr_outcome_class(r, value, err);
    if (r < 0)
        failure = *err;
    else if (error_class == WR_CLASS_CODE)
        (void)wr_fail(&failure, WR_E_UNKNOWN, 0, "%.200s", wr_value_string(value, "error"));

    (void)pthread_mutex_lock(&breaker->lock);
    before = breaker->state;
    settle(breaker, &ticket, error_class, &failure);
    enum state after = breaker->state;
    if (after != before)
        tell(workflow, after);
    (void)pthread_mutex_unlock(&breaker->lock);
    if (after != before)
        log_state(workflow, after, failure.msg);
    if (r == 0)
        *ret = wr_steal_ptr(&value);
    return r;
}

static struct wr_value *stats(void *self)
{
    struct breaker *breaker = self;

    (void)pthread_mutex_lock(&breaker->lock);
    json_t *figures = json_pack("{s:s, s:i, s:i, s:I, s:I}", "state", states[breaker->state].name,
                                "failure_count", (int)breaker->failure_count, "success_count",
                                (int)breaker->success_count, "opened", (json_int_t)breaker->opened,
                                "rejected", (json_int_t)breaker->rejected);
    (void)pthread_mutex_unlock(&breaker->lock);
    return wr_value_of_json(figures);
}

static void breaker_free(void *self)
{
    struct breaker *breaker = self;

    wr_primitive_free(breaker->inner);
    (void)pthread_mutex_destroy(&breaker->lock);
    free(breaker);
}

static const struct wr_primitive_ops breaker_ops = {
    .struct_size = sizeof breaker_ops, .execute = execute, .stats = stats, .free = breaker_free};

int wr_breaker_reset(struct wr_primitive *primitive, struct wr_error *err)
{
    struct breaker *breaker = wr_primitive_self(primitive, &breaker_ops);

    if (!breaker)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the primitive is no circuit breaker");
    (void)pthread_mutex_lock(&breaker->lock);
    enter(breaker, CLOSED);
    (void)pthread_mutex_unlock(&breaker->lock);
    return 0;
}

struct wr_primitive *wr_breaker_new(struct wr_primitive *inner, const struct wr_breaker_opts *given,
                                    struct wr_error *err)
{
    wr_auto_primitive *held = inner;
    struct wr_breaker_opts opts;

    if (!inner || wr_options_read(given, &opts, sizeof opts, "wr_breaker_opts", err) < 0 ||
        wr_classes_check(opts.classes, "classes of a circuit breaker", err) < 0)
        return NULL;
    wr_auto_free struct breaker *breaker = wr_calloc(1, sizeof *breaker);
    if (!breaker) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "circuit breaker");
        return NULL;
    }
    breaker->clock = wr_clock_or_system(opts.clock);
    breaker->failure_threshold = opts.failure_threshold ? opts.failure_threshold : 5;
    breaker->success_threshold = opts.success_threshold ? opts.success_threshold : 2;
    breaker->recovery_timeout_ms = opts.recovery_timeout_ms ? opts.recovery_timeout_ms : 60000;
    breaker->classes = opts.classes ? opts.classes : DEFAULT_CLASSES;
    (void)pthread_mutex_init(&breaker->lock, NULL);
    struct wr_primitive *primitive = wr_primitive_make(
        &(struct wr_primitive_spec){
            .name = NAME, .ops = &breaker_ops, .self = breaker, .scope = wr_primitive_scope(inner)},
        err);
    if (!primitive) {
        (void)pthread_mutex_destroy(&breaker->lock);
        return NULL;
    }
    wr_steal_ptr(&breaker)->inner = wr_steal_ptr(&held);
    return primitive;
}
