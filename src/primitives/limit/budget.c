/*
 * Use is counted in the time for which sandboxes were held. This process's own is always kept; with
 * a ledger the larger of that and what the ledger says of all processes counts, so that a ledger
 * that cannot be read, or that the executor does not write, makes nothing free.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "json/value.h"
#include "primitives/core/clock.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/limit/ledger_use.h"
#include "primitives/limit/window.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"
#include "warren/limits.h"

#define NAME             "BudgetPrimitive"
#define MS_PER_HOUR      3.6e6
#define DEFAULT_PERIOD_S ((uint64_t)30 * 24 * 3600)
#define MAX_PERIOD_S     ((uint64_t)400 * 24 * 3600) /* as far as a ledger goes back */
#define DEFAULT_WARN_AT  0.8

static const char *const level_names[] = {
    [WR_BUDGET_FINE] = "fine", [WR_BUDGET_WARN] = "warn", [WR_BUDGET_STOP] = "stop"};

struct budget {
    struct wr_primitive *inner;
    struct wr_budget_opts opts; /* with the defaults in it; ledger_path is not kept */
    const struct wr_clock *clock;
    pthread_mutex_t lock; /* of what follows */
    struct wr_window own_ms;
    struct wr_ledger_use ledger;
    unsigned running;
    struct wr_budget_state state;
    enum wr_budget_level told; /* what on_level was told last */
    bool telling;              /* somebody is calling it */
    uint64_t warned, stopped;
};

/* What counts as used, and of what. One for each limit. */
struct use {
    const char *limit;
    double used, allowed;
    bool stops; /* else it warns at most */
};

#define LIMITS 3

static double held_ms(struct budget *budget)
{
    double own = wr_window_total(&budget->own_ms, wr_clock_now_ms(budget->clock));

    return fmax(own, wr_ledger_use_total_ms(&budget->ledger));
}

static void measure(struct budget *budget, struct use uses[static LIMITS])
{
    const struct wr_budget_opts *opts = &budget->opts;
    double held = held_ms(budget);

    uses[0] = (struct use){"sandbox_hours", held / MS_PER_HOUR, opts->max_sandbox_hours, true};
    uses[1] = (struct use){"cost", held / 1e3 * opts->cost_per_second, opts->max_cost, true};
    /* Being full is no end: it passes, and the next execution is told to come again. */
    uses[2] = (struct use){"concurrency", budget->running, opts->max_concurrent, false};
}

static enum wr_budget_level level_of(const struct use *use, double warn_at)
{
    double ratio = use->used / use->allowed;

    if (ratio >= 1 && use->stops)
        return WR_BUDGET_STOP;
    return ratio >= warn_at ? WR_BUDGET_WARN : WR_BUDGET_FINE;
}

/* Sets the state by what was used; under the lock. */
static void judge(struct budget *budget, struct wr_telemetry *telemetry)
{
    struct wr_budget_state worst = {.limit = ""};
    struct use uses[LIMITS];
    double worst_ratio = -1;

    measure(budget, uses);
    for (size_t i = 0; i < LIMITS; i++) {
        if (uses[i].allowed <= 0)
            continue;
        enum wr_budget_level level = level_of(&uses[i], budget->opts.warn_at);
        double ratio = uses[i].used / uses[i].allowed;
        wr_metric_set(telemetry, WR_METRIC_BUDGET, uses[i].limit, ratio);
        if (level > worst.level || (level == worst.level && ratio > worst_ratio)) {
            worst = (struct wr_budget_state){level, uses[i].limit, uses[i].used, uses[i].allowed};
            worst_ratio = ratio;
        }
    }
    if (worst.level == WR_BUDGET_WARN && budget->state.level == WR_BUDGET_FINE)
        budget->warned++;
    budget->state = worst;
}

/* Tells changes of the level, each once and in their order, without the lock. A call from within
 * the callback leaves it to the outer one. */
static void tell_level(struct budget *budget, struct wr_workflow *workflow)
{
    (void)pthread_mutex_lock(&budget->lock);
    while (!budget->telling && budget->told != budget->state.level) {
        struct wr_budget_state state = budget->state;
        budget->told = state.level;
        budget->telling = true;
        (void)pthread_mutex_unlock(&budget->lock);
        wr_telemetry_log(
            workflow, state.level == WR_BUDGET_FINE ? "info" : "warning", "budget_level", NAME,
            json_pack("{s:s, s:s, s:f, s:f}", "budget_level", level_names[state.level], "limit",
                      state.limit, "used", state.used, "allowed", state.allowed));
        if (budget->opts.on_level)
            budget->opts.on_level(&state, budget->opts.on_level_data);
        (void)pthread_mutex_lock(&budget->lock);
        budget->telling = false;
    }
    (void)pthread_mutex_unlock(&budget->lock);
}

/* Reads the ledger if it is time, one thread at once; the others go on with what is known. */
static void refresh(struct budget *budget, struct wr_workflow *workflow)
{
    struct wr_error err = {0};
    double held = -1;

    (void)pthread_mutex_lock(&budget->lock);
    bool due = wr_ledger_use_due(&budget->ledger, wr_clock_now_ms(budget->clock));
    (void)pthread_mutex_unlock(&budget->lock);
    if (!due)
        return;
    if (wr_ledger_use_read(&budget->ledger, &held, &err) < 0)
        wr_telemetry_log(workflow, "warning", "budget_ledger_failed", NAME,
                         json_pack("{s:s}", "error", err.msg));
    (void)pthread_mutex_lock(&budget->lock);
    wr_ledger_use_set(&budget->ledger, held);
    (void)pthread_mutex_unlock(&budget->lock);
}

/* Under the lock. */
static int admit(struct budget *budget, struct wr_telemetry *telemetry, struct wr_error *err)
{
    judge(budget, telemetry);
    if (budget->state.level == WR_BUDGET_STOP) {
        budget->stopped++;
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the budget is used up: %.4g of %.4g (%s) in %llu s; raise it or wait",
                       budget->state.used, budget->state.allowed, budget->state.limit,
                       (unsigned long long)budget->opts.period_s);
    }
    if (budget->opts.max_concurrent && budget->running >= budget->opts.max_concurrent) {
        budget->stopped++;
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%u executions are running already",
                       budget->running);
    }
    budget->running++;
    judge(budget, telemetry);
    return 0;
}

/* For how long a sandbox was held. */
static double held_of(int r, const struct wr_value *value, uint64_t elapsed_ms)
{
    double init_ms = wr_value_double(value, "sandbox_ms", -1);
    double run_ms = wr_value_double(value, "execution_time_ms", -1);

    if (r == 0 && wr_value_bool(value, "cached", false))
        return 0;
    if (r < 0 || (init_ms < 0 && run_ms < 0))
        return (double)elapsed_ms;
    return fmax(init_ms, 0) + fmax(run_ms, 0);
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct budget *budget = self;
    struct wr_telemetry *telemetry = wr_workflow_telemetry(workflow);

    refresh(budget, workflow);
    (void)pthread_mutex_lock(&budget->lock);
    int r = admit(budget, telemetry, err);
    (void)pthread_mutex_unlock(&budget->lock);
    tell_level(budget, workflow);
    if (r < 0)
        return r;

    uint64_t start_ms = wr_clock_now_ms(budget->clock);
    r = wr_primitive_execute(budget->inner, input, workflow, ret, err);
    uint64_t end_ms = wr_clock_now_ms(budget->clock);
    double held = held_of(r, r == 0 ? *ret : NULL, end_ms > start_ms ? end_ms - start_ms : 0);

    (void)pthread_mutex_lock(&budget->lock);
    budget->running--;
    wr_window_add(&budget->own_ms, end_ms, held);
    wr_ledger_use_add(&budget->ledger, held);
    judge(budget, telemetry);
    (void)pthread_mutex_unlock(&budget->lock);
    tell_level(budget, workflow);
    return r;
}

static struct wr_value *stats(void *self)
{
    struct budget *budget = self;

    (void)pthread_mutex_lock(&budget->lock);
    judge(budget, NULL);
    double held = held_ms(budget);
    json_t *figures =
        json_pack("{s:f, s:f, s:i, s:s, s:I, s:I}", "sandbox_hours", held / MS_PER_HOUR, "cost",
                  held / 1e3 * budget->opts.cost_per_second, "running", (int)budget->running,
                  "level", level_names[budget->state.level], "warned", (json_int_t)budget->warned,
                  "stopped", (json_int_t)budget->stopped);
    (void)pthread_mutex_unlock(&budget->lock);
    return wr_value_of_json(figures);
}

static void budget_free(void *self)
{
    struct budget *budget = self;

    wr_primitive_free(budget->inner);
    wr_ledger_use_done(&budget->ledger);
    (void)pthread_mutex_destroy(&budget->lock);
    free(budget);
}

static const struct wr_primitive_ops budget_ops = {
    .struct_size = sizeof budget_ops, .execute = execute, .stats = stats, .free = budget_free};

static bool in_range(double number)
{
    return isfinite(number) && number >= 0;
}

static int check(const struct wr_budget_opts *opts, struct wr_error *err)
{
    if (!in_range(opts->max_sandbox_hours) || !in_range(opts->max_cost) ||
        !in_range(opts->cost_per_second))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a limit of a budget is no number from 0 on");
    if (opts->max_cost > 0 && opts->cost_per_second <= 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_cost needs cost_per_second");
    if (!(opts->warn_at >= 0 && opts->warn_at <= 1))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "warn_at: %g is no part of a limit, 0 to 1",
                       opts->warn_at);
    if (opts->period_s > MAX_PERIOD_S)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "period_s is longer than 400 days");
    return 0;
}

static int fill(struct budget *budget, const struct wr_budget_opts *opts, struct wr_error *err)
{
    uint64_t period_s = opts->period_s ? opts->period_s : DEFAULT_PERIOD_S;

    budget->opts = *opts;
    budget->opts.ledger_path = NULL;
    budget->opts.period_s = period_s;
    budget->opts.warn_at = opts->warn_at > 0 ? opts->warn_at : DEFAULT_WARN_AT;
    budget->clock = wr_clock_or_system(opts->clock);
    budget->state.limit = "";
    uint64_t now = wr_clock_now_ms(budget->clock);
    wr_window_init(&budget->own_ms, period_s * 1000, now);
    return opts->ledger_path
               ? wr_ledger_use_init(&budget->ledger, opts->ledger_path, period_s, now, err)
               : 0;
}

struct wr_primitive *wr_budget_new(struct wr_primitive *inner, const struct wr_budget_opts *given,
                                   struct wr_error *err)
{
    wr_auto_primitive *held = inner;
    struct wr_budget_opts opts;

    if (!inner || wr_options_read(given, &opts, sizeof opts, "wr_budget_opts", err) < 0 ||
        check(&opts, err) < 0)
        return NULL;
    struct budget *budget = wr_calloc(1, sizeof *budget);
    if (!budget) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "budget");
        return NULL;
    }
    (void)pthread_mutex_init(&budget->lock, NULL);
    struct wr_primitive *primitive = NULL;
    if (fill(budget, &opts, err) == 0)
        primitive =
            wr_primitive_make(&(struct wr_primitive_spec){.name = NAME,
                                                          .ops = &budget_ops,
                                                          .self = budget,
                                                          .scope = wr_primitive_scope(inner)},
                              err);
    if (!primitive) {
        budget_free(budget);
        return NULL;
    }
    budget->inner = wr_steal_ptr(&held);
    return primitive;
}
