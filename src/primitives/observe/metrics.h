/*
 * The metrics of primitives. One table says what each is; a metric has at most one label. Adding
 * takes a lock for a moment; all functions accept NULL telemetry and are thread-safe.
 */
#pragma once

#include "warren/telemetry.h"

enum wr_metric {
    WR_METRIC_REQUESTS,        /* code_execution_requests_total */
    WR_METRIC_SUCCESS,         /* code_execution_success_total */
    WR_METRIC_ERRORS,          /* code_execution_error_total {class} */
    WR_METRIC_DURATION,        /* code_execution_duration_seconds, histogram */
    WR_METRIC_ACTIVE,          /* code_execution_active, gauge */
    WR_METRIC_SANDBOX_CREATE,  /* code_execution_sandbox_create_seconds, histogram */
    WR_METRIC_SANDBOXES,       /* code_execution_sandboxes_total */
    WR_METRIC_SANDBOXES_ALIVE, /* code_execution_sandboxes_active, gauge */
    WR_METRIC_SANDBOX_SECONDS, /* code_execution_sandbox_seconds_total: use */
    WR_METRIC_SESSION_AGE,     /* code_execution_session_age_seconds, gauge */
    WR_METRIC_ROTATIONS,       /* code_execution_session_rotations_total */
    WR_METRIC_POOL,            /* code_execution_pool_sandboxes {state: idle, busy, creating} */
    WR_METRIC_POOL_WAITING,    /* code_execution_pool_waiting, gauge */
    WR_METRIC_POOL_WAIT,       /* code_execution_pool_wait_seconds, histogram */
    WR_METRIC_RETRIES,         /* primitive_retries_total */
    WR_METRIC_TIMEOUTS,        /* primitive_timeouts_total */
    WR_METRIC_FALLBACKS,       /* primitive_fallbacks_total */
    WR_METRIC_BREAKER_STATE, /* primitive_circuit_breaker_state, gauge: 0 closed, 1 half, 2 open */
    WR_METRIC_BREAKER_REJECTED, /* primitive_circuit_breaker_rejected_total */
    WR_METRIC_CACHE_HITS,       /* primitive_cache_hits_total */
    WR_METRIC_CACHE_MISSES,     /* primitive_cache_misses_total */
    WR_METRIC_RATE_LIMITED,     /* primitive_rate_limited_total */
    WR_METRIC_BUDGET,           /* primitive_budget_used_ratio {limit}, gauge */
    WR_METRIC_REDACTIONS,       /* code_execution_redactions_total */
    WR_METRIC_POLICY_REFUSED,   /* code_execution_policy_refused_total */
    WR_METRIC_TASKS,            /* orchestrator_tasks_total {outcome} */
    WR_METRIC_TASKS_RUNNING,    /* orchestrator_tasks_running, gauge */
    WR_METRIC_SPANS_EXPORTED,   /* warren_telemetry_spans_exported_total */
    WR_METRIC_SPANS_DROPPED,    /* warren_telemetry_spans_dropped_total */
    WR_METRIC_LOGS_EXPORTED,    /* warren_telemetry_logs_exported_total */
    WR_METRIC_LOGS_DROPPED,     /* warren_telemetry_logs_dropped_total */
    WR_METRIC_EXPORTS_FAILED,   /* warren_telemetry_exports_failed_total */
    WR_METRIC_QUEUED,           /* warren_telemetry_queued, gauge */
    WR_METRIC_COUNT_
};

/* Counters: `amount` >= 0. Gauges: may be negative. `label` NULL: none. */
void wr_metric_add(struct wr_telemetry *telemetry, enum wr_metric metric, const char *label,
                   double amount);
void wr_metric_set(struct wr_telemetry *telemetry, enum wr_metric metric, const char *label,
                   double value);
/* Of a histogram, in seconds. */
void wr_metric_observe(struct wr_telemetry *telemetry, enum wr_metric metric, double seconds);
