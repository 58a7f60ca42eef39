#include "primitives/observe/metric_table.h"

#include <assert.h>

/* The target of the time to create a sandbox is 200 ms, so there is a bound. */
static const double create_bounds[] = {0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2,
                                       0.3,   0.5,  1,    2,    5,   10};
static const double run_bounds[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
static const double wait_bounds[] = {0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60};

static_assert(WR_ARRAY_SIZE(create_bounds) <= WR_METRIC_MAX_BOUNDS, "buckets");
static_assert(WR_ARRAY_SIZE(run_bounds) <= WR_METRIC_MAX_BOUNDS, "buckets");
static_assert(WR_ARRAY_SIZE(wait_bounds) <= WR_METRIC_MAX_BOUNDS, "buckets");

#define COUNTER(n, u, l, h)                                                                \
    {                                                                                      \
        .name = (n), .kind = WR_PROMETHEUS_COUNTER, .unit = (u), .label = (l), .help = (h) \
    }
#define GAUGE(n, u, l, h)                                                                \
    {                                                                                    \
        .name = (n), .kind = WR_PROMETHEUS_GAUGE, .unit = (u), .label = (l), .help = (h) \
    }
#define HISTOGRAM(n, b, h)                                                        \
    {                                                                             \
        .name = (n), .kind = WR_PROMETHEUS_HISTOGRAM, .unit = "s", .bounds = (b), \
        .bound_count = WR_ARRAY_SIZE(b), .help = (h)                              \
    }

static const struct wr_metric_info table[] = {
    [WR_METRIC_REQUESTS] = COUNTER("code_execution_requests_total", "{execution}", NULL,
                                   "Executions that were asked for."),
    [WR_METRIC_SUCCESS] = COUNTER("code_execution_success_total", "{execution}", NULL,
                                  "Executions whose code ended without an error."),
    [WR_METRIC_ERRORS] =
        COUNTER("code_execution_error_total", "{execution}", "class",
                "Executions that failed, by class of the error; class \"code\": the code's own."),
    [WR_METRIC_DURATION] = HISTOGRAM("code_execution_duration_seconds", run_bounds,
                                     "Time that code ran, without getting a sandbox."),
    [WR_METRIC_ACTIVE] =
        GAUGE("code_execution_active", "{execution}", NULL, "Executions that run now."),
    [WR_METRIC_SANDBOX_CREATE] = HISTOGRAM("code_execution_sandbox_create_seconds", create_bounds,
                                           "Time to create a sandbox."),
    [WR_METRIC_SANDBOXES] = COUNTER("code_execution_sandboxes_total", "{sandbox}", NULL,
                                    "Sandboxes that were created."),
    [WR_METRIC_SANDBOXES_ALIVE] =
        GAUGE("code_execution_sandboxes_active", "{sandbox}", NULL, "Sandboxes that are held now."),
    [WR_METRIC_SANDBOX_SECONDS] = COUNTER("code_execution_sandbox_seconds_total", "s", NULL,
                                          "Seconds for which sandboxes were held."),
    [WR_METRIC_SESSION_AGE] = GAUGE("code_execution_session_age_seconds", "s", NULL,
                                    "Age of the sandbox of the session that ran code last."),
    [WR_METRIC_ROTATIONS] =
        COUNTER("code_execution_session_rotations_total", "{rotation}", NULL,
                "Sandboxes of sessions that were replaced before their time was over."),
    [WR_METRIC_POOL] = GAUGE("code_execution_pool_sandboxes", "{sandbox}", "state",
                             "Sandboxes of pools, by state: idle, busy, creating."),
    [WR_METRIC_POOL_WAITING] = GAUGE("code_execution_pool_waiting", "{execution}", NULL,
                                     "Executions that wait for a sandbox of a pool."),
    [WR_METRIC_POOL_WAIT] = HISTOGRAM("code_execution_pool_wait_seconds", wait_bounds,
                                      "Time that executions waited for a sandbox of a pool."),
    [WR_METRIC_RETRIES] =
        COUNTER("primitive_retries_total", "{attempt}", NULL, "Attempts after the first one."),
    [WR_METRIC_TIMEOUTS] = COUNTER("primitive_timeouts_total", "{execution}", NULL,
                                   "Executions that a timeout has ended."),
    [WR_METRIC_FALLBACKS] = COUNTER("primitive_fallbacks_total", "{execution}", NULL,
                                    "Executions that something else took over."),
    [WR_METRIC_BREAKER_STATE] = GAUGE("primitive_circuit_breaker_state", "1", NULL,
                                      "Circuit breaker: 0 closed, 1 half-open, 2 open."),
    [WR_METRIC_BREAKER_REJECTED] =
        COUNTER("primitive_circuit_breaker_rejected_total", "{execution}", NULL,
                "Executions that an open circuit breaker refused."),
    [WR_METRIC_CACHE_HITS] = COUNTER("primitive_cache_hits_total", "{execution}", NULL,
                                     "Executions that a cache answered."),
    [WR_METRIC_CACHE_MISSES] = COUNTER("primitive_cache_misses_total", "{execution}", NULL,
                                       "Executions that no cache could answer."),
    [WR_METRIC_RATE_LIMITED] = COUNTER("primitive_rate_limited_total", "{execution}", NULL,
                                       "Executions that a rate limit delayed or refused."),
    [WR_METRIC_BUDGET] = GAUGE("primitive_budget_used_ratio", "1", "limit",
                               "Used part of a budget, by limit; 1: all of it."),
    [WR_METRIC_REDACTIONS] = COUNTER("code_execution_redactions_total", "{secret}", NULL,
                                     "Secrets that were taken out of output."),
    [WR_METRIC_POLICY_REFUSED] = COUNTER("code_execution_policy_refused_total", "{execution}", NULL,
                                         "Executions that the policy for code refused."),
    [WR_METRIC_TASKS] =
        COUNTER("orchestrator_tasks_total", "{task}", "outcome", "Tasks that ended, by outcome."),
    [WR_METRIC_TASKS_RUNNING] =
        GAUGE("orchestrator_tasks_running", "{task}", NULL, "Tasks that run now."),
    [WR_METRIC_SPANS_EXPORTED] = COUNTER("warren_telemetry_spans_exported_total", "{span}", NULL,
                                         "Spans that the collector has taken."),
    [WR_METRIC_SPANS_DROPPED] = COUNTER("warren_telemetry_spans_dropped_total", "{span}", NULL,
                                        "Spans that could not be sent in time."),
    [WR_METRIC_LOGS_EXPORTED] = COUNTER("warren_telemetry_logs_exported_total", "{record}", NULL,
                                        "Log records that the collector has taken."),
    [WR_METRIC_LOGS_DROPPED] = COUNTER("warren_telemetry_logs_dropped_total", "{record}", NULL,
                                       "Log records that could not be sent in time."),
    [WR_METRIC_EXPORTS_FAILED] = COUNTER("warren_telemetry_exports_failed_total", "{request}", NULL,
                                         "Requests to the collector that failed."),
    [WR_METRIC_QUEUED] = GAUGE("warren_telemetry_queued", "{record}", NULL,
                               "Spans and log records that wait for the collector."),
};
static_assert(WR_ARRAY_SIZE(table) == WR_METRIC_COUNT_, "each metric is in the table");

const struct wr_metric_info *wr_metric_info(enum wr_metric metric)
{
    return &table[metric];
}
