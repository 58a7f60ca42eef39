/*
 * A token bucket with a queue. Whoever waits has a place in it: the n-th may go as soon as there
 * are n tokens, so nobody overtakes and one that leaves lets those behind it move up. How long that
 * takes is calculated, not signalled: each waiter sleeps until its tokens must be there, and looks
 * again.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/list.h"
#include "base/options.h"
#include "json/value.h"
#include "primitives/core/clock.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"
#include "warren/limits.h"

#define NAME           "RateLimitPrimitive"
#define PER_SECOND_MAX 1e6
#define PER_SECOND_MIN 1e-6
#define MAX_WAIT_MS    ((uint64_t)24 * 60 * 60 * 1000)

struct rate {
    struct wr_primitive *inner;
    const struct wr_clock *clock;
    double per_ms, burst;
    uint64_t max_wait_ms;
    pthread_mutex_t lock; /* of what follows */
    double tokens;
    uint64_t filled_ms;     /* when `tokens` was right */
    struct wr_list waiters; /* in the order in which they came */
    unsigned waiting;
    uint64_t allowed, delayed, refused;
};

static uint64_t refill(struct rate *rate)
{
    uint64_t now = wr_clock_now_ms(rate->clock);
    double tokens = rate->tokens;

    /* A clock that went back gives nothing, and starts from there. */
    if (now > rate->filled_ms)
        tokens += (double)(now - rate->filled_ms) * rate->per_ms;
    /* What a waiter was promised is not lost when its thread is late. */
    rate->tokens = fmin(tokens, rate->burst + rate->waiting);
    rate->filled_ms = now;
    return now;
}

/* Until there are `place` tokens; rounding of doubles must not make anybody wait for nothing. */
static uint64_t wait_of(const struct rate *rate, size_t place)
{
    double missing = (double)place - rate->tokens;

    return missing <= 1e-9 ? 0 : (uint64_t)ceil(missing / rate->per_ms - 1e-6);
}

/* Of one that is queued, from 1. */
static size_t place_of(const struct rate *rate, const struct wr_list *waiter)
{
    size_t place = 0;

    wr_list_foreach(it, &rate->waiters) {
        place++;
        if (it == waiter)
            break;
    }
    return place;
}

static int refuse(struct rate *rate, uint64_t wait_ms, struct wr_error *err)
{
    rate->refused++;
    (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                  "more than %g executions per second; the next turn is in %.3f s",
                  rate->per_ms * 1e3, (double)wait_ms / 1e3);
    err->retry_after_ms = (uint32_t)WR_MIN(WR_MAX(wait_ms, 1U), UINT32_MAX);
    return -WR_E_RESOURCE_EXHAUSTED;
}

/* One look at the queue by a waiter, under the lock. 0: its turn, and out of the queue; 1: to come
 * back at *ret_until_ms; or refused. */
static int look(struct rate *rate, const struct wr_list *waiter, uint64_t give_up_ms,
                uint64_t *ret_until_ms, struct wr_error *err)
{
    uint64_t now = refill(rate);
    uint64_t wait_ms = wait_of(rate, place_of(rate, waiter));

    if (wait_ms == 0) {
        rate->tokens -= 1;
        rate->allowed++;
        return 0;
    }
    if (now + wait_ms > give_up_ms)
        return refuse(rate, wait_ms, err);
    *ret_until_ms = now + wait_ms;
    return 1;
}

static int take_turn(struct rate *rate, struct wr_workflow *workflow, struct wr_error *err)
{
    uint64_t left_ms = wr_workflow_wait(workflow, 0).timeout_ms;
    uint64_t patience_ms = left_ms ? WR_MIN(left_ms, rate->max_wait_ms) : rate->max_wait_ms;
    uint64_t give_up_ms = wr_clock_now_ms(rate->clock) + patience_ms, until_ms = 0;
    struct wr_list waiter = {0};
    bool waited = false;

    (void)pthread_mutex_lock(&rate->lock);
    (void)refill(rate);
    wr_list_append(&rate->waiters, &waiter);
    rate->waiting++;
    int r = look(rate, &waiter, give_up_ms, &until_ms, err);
    while (r > 0) {
        if (!waited)
            rate->delayed++;
        waited = true;
        (void)pthread_mutex_unlock(&rate->lock);
        r = rate->clock->sleep_until(rate->clock->self, until_ms,
                                     wr_workflow_wait(workflow, 0).cancel, err);
        (void)pthread_mutex_lock(&rate->lock);
        if (r == 0)
            r = look(rate, &waiter, give_up_ms, &until_ms, err);
    }
    wr_list_remove(&waiter);
    rate->waiting--;
    (void)pthread_mutex_unlock(&rate->lock);
    return r;
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct rate *rate = self;

    int r = take_turn(rate, workflow, err);
    if (r == 0)
        return wr_primitive_execute(rate->inner, input, workflow, ret, err);
    if (r == -WR_E_RESOURCE_EXHAUSTED) {
        wr_metric_add(wr_workflow_telemetry(workflow), WR_METRIC_RATE_LIMITED, NULL, 1);
        wr_telemetry_log(workflow, "warning", "rate_limited", NAME,
                         json_pack("{s:f}", "retry_after", (double)err->retry_after_ms / 1e3));
    }
    return r;
}

static struct wr_value *stats(void *self)
{
    struct rate *rate = self;

    (void)pthread_mutex_lock(&rate->lock);
    json_t *figures = json_pack("{s:I, s:I, s:I}", "allowed", (json_int_t)rate->allowed, "delayed",
                                (json_int_t)rate->delayed, "refused", (json_int_t)rate->refused);
    (void)pthread_mutex_unlock(&rate->lock);
    return wr_value_of_json(figures);
}

static void rate_free(void *self)
{
    struct rate *rate = self;

    wr_primitive_free(rate->inner);
    (void)pthread_mutex_destroy(&rate->lock);
    free(rate);
}

static const struct wr_primitive_ops rate_ops = {
    .struct_size = sizeof rate_ops, .execute = execute, .stats = stats, .free = rate_free};

static int check(const struct wr_rate_opts *opts, struct wr_error *err)
{
    /* Written so that a NaN is refused. */
    if (!(opts->per_second >= PER_SECOND_MIN && opts->per_second <= PER_SECOND_MAX))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "per_second: %g is not within %g and %g",
                       opts->per_second, PER_SECOND_MIN, PER_SECOND_MAX);
    if (opts->max_wait_ms > MAX_WAIT_MS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_wait_ms is longer than a day");
    return 0;
}

struct wr_primitive *wr_rate_limit_new(struct wr_primitive *inner, const struct wr_rate_opts *given,
                                       struct wr_error *err)
{
    wr_auto_primitive *held = inner;
    struct wr_rate_opts opts;

    if (!inner || wr_options_read(given, &opts, sizeof opts, "wr_rate_opts", err) < 0 ||
        check(&opts, err) < 0)
        return NULL;
    wr_auto_free struct rate *rate = wr_calloc(1, sizeof *rate);
    if (!rate) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "rate limit");
        return NULL;
    }
    rate->clock = wr_clock_or_system(opts.clock);
    rate->per_ms = opts.per_second / 1e3;
    rate->burst = opts.burst ? opts.burst : fmax(1, ceil(opts.per_second));
    rate->max_wait_ms = opts.max_wait_ms;
    rate->tokens = rate->burst;
    rate->filled_ms = wr_clock_now_ms(rate->clock);
    wr_list_init(&rate->waiters);
    (void)pthread_mutex_init(&rate->lock, NULL);
    struct wr_primitive *primitive = wr_primitive_make(
        &(struct wr_primitive_spec){
            .name = NAME, .ops = &rate_ops, .self = rate, .scope = wr_primitive_scope(inner)},
        err);
    if (!primitive) {
        (void)pthread_mutex_destroy(&rate->lock);
        return NULL;
    }
    wr_steal_ptr(&rate)->inner = wr_steal_ptr(&held);
    return primitive;
}
