#include "primitives/observe/metric_store.h"

#include <math.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/str.h"

#define OTHER "other"

struct metric {
    struct wr_metric_series *series; /* owned */
    size_t count, cap;
};

struct wr_metric_store {
    pthread_mutex_t lock; /* of what follows */
    struct metric metrics[WR_METRIC_COUNT_];
};

struct wr_metric_store *wr_metric_store_free(struct wr_metric_store *store)
{
    if (!store)
        return NULL;
    for (size_t i = 0; i < WR_METRIC_COUNT_; i++)
        free(store->metrics[i].series);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
    return NULL;
}

/* One more series; NULL without memory. */
static struct wr_metric_series *append(struct metric *metric, const char *label)
{
    if (metric->count == metric->cap) {
        size_t cap = metric->cap ? 2 * metric->cap : 1;
        struct wr_metric_series *series = reallocarray(metric->series, cap, sizeof *series);
        if (!series)
            return NULL;
        metric->series = series;
        metric->cap = cap;
    }
    struct wr_metric_series *added = &metric->series[metric->count++];
    *added = (struct wr_metric_series){0};
    memcpy(added->label, label, strlen(label));
    return added;
}

struct wr_metric_store *wr_metric_store_new(void)
{
    struct wr_metric_store *store = wr_calloc(1, sizeof *store);

    if (!store)
        return NULL;
    (void)pthread_mutex_init(&store->lock, NULL);
    /* From the beginning, so that a rate over the first increment is one. */
    for (size_t i = 0; i < WR_METRIC_COUNT_; i++)
        if (!wr_metric_info((enum wr_metric)i)->label && !append(&store->metrics[i], ""))
            return wr_metric_store_free(store);
    return store;
}

static struct wr_metric_series *find(const struct metric *metric, const char *label)
{
    for (size_t i = 0; i < metric->count; i++)
        if (wr_streq(metric->series[i].label, label))
            return &metric->series[i];
    return NULL;
}

/* The label's value as it is kept: short enough, and UTF-8. */
static void clean_label(const char *label, char out[static WR_METRIC_LABEL_MAX])
{
    size_t len = wr_utf8_prefix(label, WR_METRIC_LABEL_MAX - 1);
    bool valid = wr_utf8_valid(label, len);

    for (size_t i = 0; i < len; i++)
        out[i] = (char)(valid || !(label[i] & 0x80) ? label[i] : '?');
    out[len] = '\0';
}

/* NULL without memory: then the value is lost, not the execution. With the lock held. */
static struct wr_metric_series *get(struct wr_metric_store *store, enum wr_metric id,
                                    const char *label)
{
    struct metric *metric = &store->metrics[id];
    char clean[WR_METRIC_LABEL_MAX] = "";

    if (wr_metric_info(id)->label && label)
        clean_label(label, clean);
    struct wr_metric_series *series = find(metric, clean);
    if (!series && metric->count >= WR_METRIC_LABEL_VALUES) {
        memcpy(clean, OTHER, sizeof OTHER);
        series = find(metric, clean);
    }
    return series ? series : append(metric, clean);
}

void wr_metric_store_add(struct wr_metric_store *store, enum wr_metric metric, const char *label,
                         double amount)
{
    bool counter = wr_metric_info(metric)->kind == WR_PROMETHEUS_COUNTER;

    if (!isfinite(amount) || (counter && amount < 0))
        return;
    (void)pthread_mutex_lock(&store->lock);
    struct wr_metric_series *series = get(store, metric, label);
    if (series)
        series->value += amount;
    (void)pthread_mutex_unlock(&store->lock);
}

void wr_metric_store_set(struct wr_metric_store *store, enum wr_metric metric, const char *label,
                         double value)
{
    if (!isfinite(value) || wr_metric_info(metric)->kind != WR_PROMETHEUS_GAUGE)
        return;
    (void)pthread_mutex_lock(&store->lock);
    struct wr_metric_series *series = get(store, metric, label);
    if (series)
        series->value = value;
    (void)pthread_mutex_unlock(&store->lock);
}

void wr_metric_store_observe(struct wr_metric_store *store, enum wr_metric metric, double seconds)
{
    const struct wr_metric_info *info = wr_metric_info(metric);
    size_t bucket = 0;

    if (!isfinite(seconds) || info->kind != WR_PROMETHEUS_HISTOGRAM)
        return;
    seconds = seconds > 0 ? seconds : 0;
    while (bucket < info->bound_count && seconds > info->bounds[bucket])
        bucket++;
    (void)pthread_mutex_lock(&store->lock);
    struct wr_metric_series *series = get(store, metric, NULL);
    if (series) {
        series->value += seconds;
        series->counts[bucket]++;
    }
    (void)pthread_mutex_unlock(&store->lock);
}

size_t wr_metric_store_read(struct wr_metric_store *store, enum wr_metric id,
                            struct wr_metric_series **ret)
{
    const struct metric *metric = &store->metrics[id];
    struct wr_metric_series *copy = NULL;
    size_t count = 0;

    (void)pthread_mutex_lock(&store->lock);
    if (metric->count > 0)
        copy = wr_calloc(metric->count, sizeof *copy);
    if (copy) {
        count = metric->count;
        memcpy(copy, metric->series, count * sizeof *copy);
    }
    (void)pthread_mutex_unlock(&store->lock);
    *ret = copy;
    return count;
}

double wr_metric_store_value(struct wr_metric_store *store, enum wr_metric metric)
{
    (void)pthread_mutex_lock(&store->lock);
    const struct wr_metric_series *series = find(&store->metrics[metric], "");
    double value = series ? series->value : 0;
    (void)pthread_mutex_unlock(&store->lock);
    return value;
}
