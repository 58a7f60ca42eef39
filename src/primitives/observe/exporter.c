#include "primitives/observe/exporter.h"

#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rand.h"
#include "primitives/observe/export_queue.h"

/* The whole request: a batch, a record that is larger, and what stands around them. */
#define BODY_MAX (WR_EXPORT_BATCH_BYTES + WR_OTLP_RECORD_MAX + 256 * 1024)

#define MAX_BATCHES 4096 /* of one kind in one round */

/* One kind of records on its way. */
struct lane {
    struct wr_export_queue queue; /* under the exporter's lock; unused for metrics */
    struct wr_buf batch;          /* what is being sent, or sent again */
    size_t batch_count;
    unsigned attempts;
    uint64_t not_before_ms;
};

struct wr_exporter {
    struct wr_export_sender sender;
    struct wr_metric_store *metrics;
    char *resource; /* owned */
    struct wr_telemetry_clock clock;
    uint64_t interval_ms, start_us, next_round_ms;
    void (*on_batch)(void *data);
    void *data;
    pthread_mutex_t lock; /* of the queues */
    struct lane lanes[WR_SIGNAL_COUNT_];
};

static const struct {
    enum wr_metric exported, dropped;
} figures[] = {
    [WR_SIGNAL_TRACES] = {WR_METRIC_SPANS_EXPORTED, WR_METRIC_SPANS_DROPPED},
    [WR_SIGNAL_LOGS] = {WR_METRIC_LOGS_EXPORTED, WR_METRIC_LOGS_DROPPED},
};

static uint64_t wall_us(const struct wr_exporter *exporter)
{
    return exporter->clock.wall_us(exporter->clock.self);
}

static uint64_t mono_ms(const struct wr_exporter *exporter)
{
    return exporter->clock.mono_us(exporter->clock.self) / 1000;
}

struct wr_exporter *wr_exporter_free(struct wr_exporter *exporter)
{
    if (!exporter)
        return NULL;
    if (exporter->sender.free)
        exporter->sender.free(exporter->sender.self);
    for (size_t i = 0; i < WR_SIGNAL_COUNT_; i++) {
        wr_export_queue_done(&exporter->lanes[i].queue);
        wr_buf_done(&exporter->lanes[i].batch);
    }
    (void)pthread_mutex_destroy(&exporter->lock);
    free(exporter->resource);
    free(exporter);
    return NULL;
}

int wr_exporter_new(const struct wr_exporter_opts *opts, struct wr_exporter **ret,
                    struct wr_error *err)
{
    struct wr_exporter *exporter = wr_calloc(1, sizeof *exporter);
    char *resource = wr_strdup(opts->resource);

    if (!exporter || !resource) {
        free(exporter);
        free(resource);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
    }
    (void)pthread_mutex_init(&exporter->lock, NULL);
    exporter->sender = opts->sender;
    exporter->metrics = opts->metrics;
    exporter->resource = resource;
    exporter->interval_ms = opts->interval_ms ? opts->interval_ms : WR_EXPORT_INTERVAL_MS;
    exporter->clock = opts->clock;
    exporter->start_us = wall_us(exporter);
    for (size_t i = 0; i < WR_SIGNAL_COUNT_; i++) {
        wr_export_queue_init(&exporter->lanes[i].queue,
                             opts->max_queue ? opts->max_queue : WR_EXPORT_MAX_QUEUE,
                             WR_EXPORT_QUEUE_BYTES);
        wr_buf_init(&exporter->lanes[i].batch, BODY_MAX);
    }
    *ret = exporter;
    return 0;
}

void wr_exporter_on_batch(struct wr_exporter *exporter, void (*fn)(void *data), void *data)
{
    exporter->on_batch = fn;
    exporter->data = data;
}

void wr_exporter_abort(struct wr_exporter *exporter)
{
    exporter->sender.abort(exporter->sender.self);
}

void wr_exporter_push(struct wr_exporter *exporter, enum wr_signal signal, const char *text,
                      size_t len)
{
    struct wr_export_queue *queue = &exporter->lanes[signal].queue;

    /* Before it can be sent, so that the gauge never falls below 0. */
    wr_metric_store_add(exporter->metrics, WR_METRIC_QUEUED, NULL, 1);
    (void)pthread_mutex_lock(&exporter->lock);
    bool kept = wr_export_queue_push(queue, text, len);
    bool batch = kept && queue->count == WR_EXPORT_BATCH;
    (void)pthread_mutex_unlock(&exporter->lock);
    if (!kept) {
        wr_metric_store_add(exporter->metrics, WR_METRIC_QUEUED, NULL, -1);
        wr_metric_store_add(exporter->metrics, figures[signal].dropped, NULL, 1);
    }
    if (batch && exporter->on_batch)
        exporter->on_batch(exporter->data);
}

/* ---- what is sent ---- */

static void forget_batch(struct lane *lane)
{
    wr_buf_clear(&lane->batch);
    wr_buf_trim(&lane->batch, WR_EXPORT_BATCH_BYTES / 8);
    lane->batch_count = 0;
}

/* The batch's records are exported, or dropped. */
static void settle(struct wr_exporter *exporter, struct lane *lane, enum wr_metric metric)
{
    wr_metric_store_add(exporter->metrics, metric, NULL, (double)lane->batch_count);
    wr_metric_store_add(exporter->metrics, WR_METRIC_QUEUED, NULL, -(double)lane->batch_count);
    forget_batch(lane);
}

/* Fills an empty batch; false when there is nothing to send, or no memory for it. */
static bool fill_records(struct wr_exporter *exporter, enum wr_signal signal)
{
    struct lane *lane = &exporter->lanes[signal];
    bool begun = wr_otlp_begin(&lane->batch, signal, exporter->resource) == 0;

    (void)pthread_mutex_lock(&exporter->lock);
    if (begun)
        lane->batch_count = wr_export_queue_take(&lane->queue, WR_EXPORT_BATCH,
                                                 WR_EXPORT_BATCH_BYTES, &lane->batch);
    /* Without memory: not again at once. */
    if (lane->batch_count == 0 && lane->queue.count > 0)
        lane->not_before_ms = mono_ms(exporter) + WR_EXPORT_BACKOFF_MS;
    (void)pthread_mutex_unlock(&exporter->lock);
    if (lane->batch_count > 0 && wr_otlp_end(&lane->batch) == 0)
        return true;
    settle(exporter, lane, figures[signal].dropped);
    return false;
}

static bool fill_metrics(struct wr_exporter *exporter)
{
    struct lane *lane = &exporter->lanes[WR_SIGNAL_METRICS];

    return wr_otlp_begin(&lane->batch, WR_SIGNAL_METRICS, exporter->resource) == 0 &&
           wr_otlp_metrics(exporter->metrics, exporter->start_us,
                           WR_MAX(wall_us(exporter), exporter->start_us), &lane->batch) == 0 &&
           wr_otlp_end(&lane->batch) == 0;
}

/* ---- sending ---- */

/* Half of it to one and a half, so that many clients of one collector do not come back together. */
static uint64_t jittered(uint64_t ms)
{
    uint32_t random = 0;

    wr_random_bytes(&random, sizeof random);
    return ms / 2 + random % (ms + 1);
}

static uint64_t backoff_ms(const struct lane *lane, const struct wr_error *err)
{
    uint64_t ms = (uint64_t)WR_EXPORT_BACKOFF_MS << WR_MIN(lane->attempts - 1, 10u);

    if (err->retry_after_ms)
        return WR_MIN(err->retry_after_ms, (uint32_t)WR_EXPORT_RETRY_AFTER_MAX_MS);
    return jittered(WR_MIN(ms, (uint64_t)WR_EXPORT_BACKOFF_MAX_MS));
}

/* One request with the batch that there is. What is kept for another attempt stays in the lane. */
static int send_batch(struct wr_exporter *exporter, enum wr_signal signal, struct wr_error *err)
{
    struct lane *lane = &exporter->lanes[signal];
    bool counted = signal != WR_SIGNAL_METRICS;
    struct wr_error failure = {0};

    int r =
        exporter->sender.send(exporter->sender.self, wr_otlp_path(signal), &lane->batch, &failure);
    if (r == 0) {
        if (counted)
            settle(exporter, lane, figures[signal].exported);
        forget_batch(lane);
        lane->attempts = 0;
        lane->not_before_ms = 0;
        return 0;
    }
    wr_metric_store_add(exporter->metrics, WR_METRIC_EXPORTS_FAILED, NULL, 1);
    if (err->code == WR_OK)
        *err = failure;
    lane->attempts++;
    bool again = r == WR_EXPORT_AGAIN && lane->attempts < WR_EXPORT_MAX_ATTEMPTS;
    lane->not_before_ms = mono_ms(exporter) + backoff_ms(lane, &failure);
    if (!again && counted)
        settle(exporter, lane, figures[signal].dropped);
    if (!again)
        lane->attempts = 0;
    /* Of metrics a later state is as good. */
    if (!again || !counted)
        forget_batch(lane);
    return -1;
}

static void send_lane(struct wr_exporter *exporter, enum wr_signal signal, struct wr_error *err)
{
    struct lane *lane = &exporter->lanes[signal];
    size_t batches = MAX_BATCHES; /* records come in meanwhile, and a round ends */
    bool more = true;

    while (more && batches-- > 0) {
        if (lane->batch.len == 0) {
            more = signal == WR_SIGNAL_METRICS ? fill_metrics(exporter)
                                               : fill_records(exporter, signal);
            if (!more)
                forget_batch(lane);
        }
        more = more && send_batch(exporter, signal, err) == 0 && signal != WR_SIGNAL_METRICS;
    }
}

int wr_exporter_round(struct wr_exporter *exporter, bool all, struct wr_error *err)
{
    struct wr_error first = {0};
    uint64_t now_ms = mono_ms(exporter);
    bool interval = now_ms >= exporter->next_round_ms;

    for (size_t i = 0; i < WR_SIGNAL_COUNT_; i++) {
        bool due = all || (now_ms >= exporter->lanes[i].not_before_ms &&
                           (i != WR_SIGNAL_METRICS || interval));
        if (due)
            send_lane(exporter, (enum wr_signal)i, &first);
    }
    if (interval || all)
        exporter->next_round_ms = now_ms + exporter->interval_ms;
    if (first.code == WR_OK)
        return 0;
    *err = first;
    return -first.code;
}

uint64_t wr_exporter_due_ms(struct wr_exporter *exporter)
{
    uint64_t due = exporter->next_round_ms;

    (void)pthread_mutex_lock(&exporter->lock);
    for (size_t i = 0; i < WR_SIGNAL_COUNT_; i++) {
        const struct lane *lane = &exporter->lanes[i];
        if (lane->batch_count > 0 || lane->queue.count >= WR_EXPORT_BATCH)
            due = WR_MIN(due, lane->not_before_ms);
    }
    (void)pthread_mutex_unlock(&exporter->lock);
    return due;
}
