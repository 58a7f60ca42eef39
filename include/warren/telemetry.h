/** @file
 * Spans, metrics and log records of primitives, and where they go.
 *
 * Nothing here blocks an execution: what cannot be sent in time is dropped and counted.
 */
#pragma once

#include "warren/workflow.h"

WR_BEGIN_DECLS

/** One line, an object: time, level, event, primitive, correlation_id, workflow_id, trace_id,
 * span_id, and what the event has. The record of an execution has event "code_execution" and
 * success, execution_time_ms, code_length. Any thread; must be quick. */
typedef void (*wr_log_fn)(const struct wr_value *record, void *data);

/** Options of wr_telemetry_new(). Text is copied. */
struct wr_telemetry_opts {
    size_t struct_size;
    const char *service_name;    /**< NULL: OTEL_SERVICE_NAME, "warren" */
    const char *otlp_endpoint;   /**< "http://host:4318"; spans go to /v1/traces, metrics to
                                    /v1/metrics, logs to /v1/logs. NULL: OTEL_EXPORTER_OTLP_ENDPOINT;
                                    "" or not set: none */
    const char *otlp_headers;    /**< "name=value,..."; NULL: OTEL_EXPORTER_OTLP_HEADERS */
    uint64_t export_interval_ms; /**< 0: 5,000; at most a day */
    size_t max_queue;  /**< spans that wait, and log records, each at most 16 MiB; more are dropped;
                          0: 2,048 */
    wr_log_fn on_log;  /**< called by the thread that has something to tell; NULL: none */
    void *on_log_data; /**< what it gets */
};
/** Connects to nothing yet. INVALID_ARGUMENT names the endpoint or header that is wrong. */
WR_PUBLIC struct wr_telemetry *wr_telemetry_new(const struct wr_telemetry_opts *opts,
                                                struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_telemetry *wr_telemetry_ref(struct wr_telemetry *telemetry);
/** One holder less; the last one sends what waits, at most 2 seconds long. Accepts NULL, returns
 * NULL. After a fork() only the parent goes on with a telemetry: in the child it can be freed,
 * which does nothing. */
WR_PUBLIC struct wr_telemetry *wr_telemetry_free(struct wr_telemetry *telemetry);

/** All metrics as Prometheus text (format 0.0.4), to free with wr_free(). NULL without memory. */
WR_PUBLIC char *wr_telemetry_prometheus(struct wr_telemetry *telemetry);
/** Serves them at http://address:port/metrics from a thread of its own until the telemetry is
 * freed. `address` is an IPv4 or IPv6 address, NULL: 127.0.0.1; `port` 0: 9464; *ret_port (may be
 * NULL) tells it. Once, then ALREADY_EXISTS. UNAVAILABLE: the port is taken. */
WR_PUBLIC int wr_telemetry_serve(struct wr_telemetry *telemetry, const char *address, uint16_t port,
                                 uint16_t *ret_port, struct wr_error *err);
/** Sends what waits now, by default within 10 seconds. The first error of the collector
 * (UNAVAILABLE, UNAUTHENTICATED, ...), or DEADLINE_EXCEEDED; what may pass later goes on waiting.
 */
WR_PUBLIC int wr_telemetry_flush(struct wr_telemetry *telemetry, const struct wr_wait *wait,
                                 struct wr_error *err);
/** {"spans_exported", "spans_dropped", "logs_exported", "logs_dropped", "exports_failed",
 * "queued"}; the caller's. */
WR_PUBLIC struct wr_value *wr_telemetry_stats(struct wr_telemetry *telemetry);

/** A span of the caller's own around what `workflow` does until its end. Spans of one workflow end
 * in the reverse order of their begin; a parallel part has a child workflow. One thread at a time
 * uses a span. NULL (without telemetry too) is accepted by the functions below. */
struct wr_span;
/** The parent is the workflow's innermost open span. NULL without telemetry, and in a trace that is
 * not sampled. The span holds the workflow. */
WR_PUBLIC struct wr_span *wr_span_begin(struct wr_workflow *workflow, const char *name);
/** Attributes; text is copied, keys too. The last value of a key counts. At most 64 with keys of
 * 128 bytes, the rest is counted in the span; text is cut after 4 KiB. */
WR_PUBLIC void wr_span_set_string(struct wr_span *span, const char *key, const char *text);
/** @copybrief wr_span_set_string */
WR_PUBLIC void wr_span_set_int(struct wr_span *span, const char *key, int64_t number);
/** @copybrief wr_span_set_string */
WR_PUBLIC void wr_span_set_double(struct wr_span *span, const char *key, double number);
/** @copybrief wr_span_set_string */
WR_PUBLIC void wr_span_set_bool(struct wr_span *span, const char *key, bool truth);
/** `err` (NULL or code 0: it went well) becomes its status. Freed. */
WR_PUBLIC void wr_span_end(struct wr_span *span, const struct wr_error *err);

WR_END_DECLS
