/** @file
 * Not too often, not too much.
 */
#pragma once

#include "warren/recovery.h"

WR_BEGIN_DECLS

/** Options of wr_rate_limit_new(). */
struct wr_rate_opts {
    size_t struct_size;
    double per_second;    /**< above 0 */
    unsigned burst;       /**< 0: one second's, at least 1 */
    uint64_t max_wait_ms; /**< waits up to so long for its turn; 0: refuses at once */
    const struct wr_clock *clock;
};
/** Token bucket. RESOURCE_EXHAUSTED with retry_after_ms. stats: allowed, delayed, refused. */
WR_PUBLIC struct wr_primitive *wr_rate_limit_new(struct wr_primitive *inner,
                                                 const struct wr_rate_opts *opts,
                                                 struct wr_error *err);

/** How much of a budget is used. */
enum wr_budget_level { WR_BUDGET_FINE = 0, WR_BUDGET_WARN = 1, WR_BUDGET_STOP = 2 };

/** What was used, and of how much. */
struct wr_budget_state {
    enum wr_budget_level level; /**< the highest of all limits */
    const char *limit;          /**< which one: "sandbox_hours", "concurrency", "cost"; "" */
    double used;                /**< of that limit, in its unit */
    double allowed;             /**< the limit */
};

/** Options of wr_budget_new(). Text is copied. */
struct wr_budget_opts {
    size_t struct_size;
    double max_sandbox_hours; /**< in `period_s`; 0: no limit */
    double max_cost;          /**< in `period_s`, in the unit of `cost_per_second`; 0: no limit */
    double cost_per_second;   /**< of a sandbox */
    unsigned max_concurrent;  /**< executions at once; 0: no limit */
    double warn_at;           /**< part of a limit; 0: 0.8 */
    uint64_t period_s;        /**< a calendar-free window that rolls; 0: 30 days */
    /** The ledger that remembers use beyond this process, a file (ledger.h); NULL: memory only */
    const char *ledger_path;
    /** Called when the level changes. Any thread. */
    void (*on_level)(const struct wr_budget_state *state, void *data);
    void *on_level_data;
    const struct wr_clock *clock;
};
/** Use is the time that executions hold sandboxes: their `sandbox_ms` and `execution_time_ms`, or
 * the whole time of those that failed; none for what came out of a cache. With a ledger what all
 * processes have used counts, looked at every 10 seconds; executors have to write it (`ledger_path`
 * of theirs). At a stop level FAILED_PRECONDITION, which is not retried; too many at once:
 * RESOURCE_EXHAUSTED, and no level above WR_BUDGET_WARN. stats: sandbox_hours, cost, running,
 * level, warned (times), stopped (executions refused). */
WR_PUBLIC struct wr_primitive *wr_budget_new(struct wr_primitive *inner,
                                             const struct wr_budget_opts *opts,
                                             struct wr_error *err);

WR_END_DECLS
