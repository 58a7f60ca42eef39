/*
 * Sends spans, log records and metrics to a collector. The exporter has the queues and decides what
 * is sent when; export_thread.h has the thread that runs it, otlp_http.h the way to the collector.
 *
 * Pushing takes a lock for a moment and never waits for the network. What does not fit, and what
 * the collector does not take in time, is dropped and counted.
 */
#pragma once

#include "primitives/observe/otlp.h"
#include "primitives/observe/telemetry_clock.h"

#define WR_EXPORT_INTERVAL_MS        5000
#define WR_EXPORT_MAX_QUEUE          2048
#define WR_EXPORT_QUEUE_BYTES        ((size_t)16 * 1024 * 1024) /* of spans, and of log records */
#define WR_EXPORT_BATCH              512                        /* records of one request */
#define WR_EXPORT_BATCH_BYTES        ((size_t)512 * 1024) /* the same, unless one alone has more */
#define WR_EXPORT_TIMEOUT_MS         10000                /* of one request */
#define WR_EXPORT_MAX_ATTEMPTS       6                    /* of one batch */
#define WR_EXPORT_BACKOFF_MS         1000 /* before the second attempt, then doubled */
#define WR_EXPORT_BACKOFF_MAX_MS     30000
#define WR_EXPORT_RETRY_AFTER_MAX_MS 120000 /* the collector's word counts up to here */

/* 0; WR_EXPORT_AGAIN: it failed, and may pass later (err->retry_after_ms: when); or -WR_E_*. */
#define WR_EXPORT_AGAIN 1
struct wr_export_sender {
    int (*send)(void *self, const char *path, const struct wr_buf *body, struct wr_error *err);
    /* From another thread: running and further sends fail soon. */
    void (*abort)(void *self);
    void (*free)(void *self);
    void *self;
};

struct wr_exporter_opts {
    struct wr_export_sender sender;  /* consumed on success */
    struct wr_metric_store *metrics; /* borrowed: what is sent, and where its own figures go */
    const char *resource;            /* JSON; copied */
    uint64_t interval_ms;            /* 0: WR_EXPORT_INTERVAL_MS */
    size_t max_queue;                /* 0: WR_EXPORT_MAX_QUEUE */
    struct wr_telemetry_clock clock;
};

struct wr_exporter;

int wr_exporter_new(const struct wr_exporter_opts *opts, struct wr_exporter **ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* What waits is lost. Accepts NULL, returns NULL. */
struct wr_exporter *wr_exporter_free(struct wr_exporter *exporter);
/* Called by a push that makes a whole batch. Set before there is one. */
void wr_exporter_on_batch(struct wr_exporter *exporter, void (*fn)(void *data), void *data);

/* One encoded record: traces or logs. Any thread. */
void wr_exporter_push(struct wr_exporter *exporter, enum wr_signal signal, const char *text,
                      size_t len);
/* The following are for one thread. Sends what waits, and the metrics if they are due; with `all`
 * everything at once, whatever the collector said before. 0, or the first failure. */
int wr_exporter_round(struct wr_exporter *exporter, bool all, struct wr_error *err);
/* When the next round is due, in ms of the monotonic clock. */
uint64_t wr_exporter_due_ms(struct wr_exporter *exporter);
/* From any thread: what is being sent, and what would be, fails soon. */
void wr_exporter_abort(struct wr_exporter *exporter);
