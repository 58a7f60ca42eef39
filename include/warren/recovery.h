/** @file
 * When something fails: again, not longer than, something else instead, not at all for a while.
 */
#pragma once

#include "warren/primitive.h"

WR_BEGIN_DECLS

/** Where time comes from; tests bring their own. `now_ms` never goes back. */
struct wr_clock {
    uint64_t (*now_ms)(void *self); /**< in milliseconds from any moment on */
    /** Until `until_ms`, or the token fires: CANCELED. */
    int (*sleep_until)(void *self, uint64_t until_ms, struct wr_cancel *cancel,
                       struct wr_error *err);
    void *self; /**< passed to both */
};

/** How delays between retries grow. */
enum wr_backoff {
    WR_BACKOFF_EXPONENTIAL = 0, /**< delay * factor^n */
    WR_BACKOFF_LINEAR = 1,      /**< delay * (n + 1) */
    WR_BACKOFF_CONSTANT = 2,
};

/** Options of wr_retry_new(). */
struct wr_retry_opts {
    size_t struct_size;
    unsigned max_retries;    /**< after the first attempt; 0: 3 */
    enum wr_backoff backoff; /**< how delays grow */
    uint64_t delay_ms;       /**< before the first retry; 0: 1,000 */
    double factor;           /**< 0: 2 */
    uint64_t max_delay_ms;   /**< 0: 60,000 */
    bool no_jitter;          /**< else each delay is multiplied by 0.5 to 1.5 */
    /** Classes of errors that are tried again, joined; 0: WR_CLASS_RATE_LIMIT | WR_CLASS_SERVICE.
     * With WR_CLASS_CODE also results whose `success` is false; the last one is then returned. */
    unsigned classes;
    const struct wr_clock *clock; /**< NULL: the system's */
};
/** A server that says how long to wait is believed, up to `max_delay_ms`. A retry that the
 * workflow's time has no room for is not begun. The error is the last one's, and says how many
 * attempts there were. stats: attempts, retries, recovered, exhausted. */
WR_PUBLIC struct wr_primitive *wr_retry_new(struct wr_primitive *inner,
                                            const struct wr_retry_opts *opts, struct wr_error *err);

/** At most `timeout_ms` (up to 30 days) for `inner`, whose workflow then has no time left and is
 * cancelled; `fallback` (may be NULL) runs in its place, else DEADLINE_EXCEEDED. An inner error of
 * that code passes as it is. A primitive that looks at neither its workflow's time nor its token
 * runs on, and a result that comes late is still one. The workflow's state gets "timeout_count" and
 * "timeout_history". stats: executions, timeouts, fallbacks. */
WR_PUBLIC struct wr_primitive *wr_timeout_new(struct wr_primitive *inner, uint64_t timeout_ms,
                                              struct wr_primitive *fallback, struct wr_error *err);

/** Options of wr_fallback_new(). */
struct wr_fallback_opts {
    size_t struct_size;
    /** Errors that make the other one run, joined; 0: all but WR_CLASS_INPUT and
     * WR_CLASS_CANCELED. With WR_CLASS_CODE also results whose `success` is false; when the other
     * one fails too, that result is returned. */
    unsigned classes;
};
/** When both fail the error is the first one's, and names the second. stats: primary, fallback,
 * failed. */
WR_PUBLIC struct wr_primitive *wr_fallback_new(struct wr_primitive *primary,
                                               struct wr_primitive *fallback,
                                               const struct wr_fallback_opts *opts,
                                               struct wr_error *err);

/** Options of wr_breaker_new(). */
struct wr_breaker_opts {
    size_t struct_size;
    unsigned failure_threshold;   /**< failures one after the other that open it; 0: 5 */
    unsigned success_threshold;   /**< successes that close it again; 0: 2 */
    uint64_t recovery_timeout_ms; /**< open for so long, then one probe at a time; 0: 60,000 */
    /** Classes that count as failures, joined; 0: WR_CLASS_SERVICE | WR_CLASS_RATE_LIMIT |
     * WR_CLASS_TIMEOUT. Others count as successes, CANCELED as nothing. */
    unsigned classes;
    const struct wr_clock *clock;
};
/** Circuit breaker. Open: UNAVAILABLE at once, with retry_after_ms and the error that opened it.
 * stats: state ("closed", "open", "half_open"), failure_count, success_count, opened, rejected. */
WR_PUBLIC struct wr_primitive *wr_breaker_new(struct wr_primitive *inner,
                                              const struct wr_breaker_opts *opts,
                                              struct wr_error *err);
/** Closes it. INVALID_ARGUMENT for a primitive that is no breaker. */
WR_PUBLIC int wr_breaker_reset(struct wr_primitive *breaker, struct wr_error *err);

WR_END_DECLS
