#include "base/alloc.h"
#include "primitives/observe/otlp.h"

#define CUMULATIVE 2 /* AggregationTemporality */

struct interval {
    uint64_t start_us, now_us;
};

static void begin_point(struct wr_jw *w, const struct interval *interval)
{
    wr_jw_object(w);
    wr_otlp_time(w, "startTimeUnixNano", interval->start_us);
    wr_otlp_time(w, "timeUnixNano", interval->now_us);
}

static void write_number(struct wr_jw *w, const struct wr_metric_info *info,
                         const struct wr_metric_series *series, const struct interval *interval)
{
    begin_point(w, interval);
    if (series->label[0]) {
        wr_jw_key(w, "attributes");
        wr_jw_array(w);
        wr_otlp_string(w, info->label, series->label);
        wr_jw_end(w);
    }
    wr_otlp_real(w, "asDouble", series->value);
    wr_jw_end(w);
}

static void write_histogram(struct wr_jw *w, const struct wr_metric_info *info,
                            const struct wr_metric_series *series, const struct interval *interval)
{
    uint64_t count = 0;
    char text[24];

    begin_point(w, interval);
    wr_jw_key(w, "explicitBounds");
    wr_jw_array(w);
    for (size_t i = 0; i < info->bound_count; i++)
        wr_jw_number(w, info->bounds[i]);
    wr_jw_end(w);
    wr_jw_key(w, "bucketCounts");
    wr_jw_array(w);
    for (size_t i = 0; i <= info->bound_count; i++) {
        count += series->counts[i];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)series->counts[i]);
        wr_jw_str(w, text);
    }
    wr_jw_end(w);
    wr_otlp_number(w, "count", count);
    wr_otlp_real(w, "sum", series->value);
    wr_jw_end(w);
}

/* How the points of a kind are called, what else they have, and how one is written. */
static const struct {
    const char *key;
    bool temporal, monotonic;
    void (*write)(struct wr_jw *w, const struct wr_metric_info *info,
                  const struct wr_metric_series *series, const struct interval *interval);
} kinds[] = {
    [WR_PROMETHEUS_COUNTER] = {"sum", true, true, write_number},
    [WR_PROMETHEUS_GAUGE] = {"gauge", false, false, write_number},
    [WR_PROMETHEUS_HISTOGRAM] = {"histogram", true, false, write_histogram},
};

static int write_metric(const struct wr_metric_info *info, const struct wr_metric_series *series,
                        size_t count, const struct interval *interval, struct wr_buf *body)
{
    struct wr_jw w;

    wr_jw_init(&w, body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "name", info->name);
    wr_jw_kstr(&w, "description", info->help);
    wr_jw_kstr(&w, "unit", info->unit);
    wr_jw_key(&w, kinds[info->kind].key);
    wr_jw_object(&w);
    if (kinds[info->kind].temporal)
        wr_jw_ku64(&w, "aggregationTemporality", CUMULATIVE);
    if (kinds[info->kind].monotonic)
        wr_jw_kbool(&w, "isMonotonic", true);
    wr_jw_key(&w, "dataPoints");
    wr_jw_array(&w);
    for (size_t i = 0; i < count; i++)
        kinds[info->kind].write(&w, info, &series[i], interval);
    wr_jw_end(&w);
    wr_jw_end(&w);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

int wr_otlp_metrics(struct wr_metric_store *store, uint64_t start_us, uint64_t now_us,
                    struct wr_buf *body)
{
    const struct interval interval = {start_us, now_us};
    bool first = true;

    for (size_t i = 0; i < WR_METRIC_COUNT_; i++) {
        wr_auto_free struct wr_metric_series *series = NULL;
        size_t count = wr_metric_store_read(store, (enum wr_metric)i, &series);
        int r = 0;
        if (count == 0)
            continue;
        if (!first)
            r = wr_buf_append_char(body, ',');
        if (r == 0)
            r = write_metric(wr_metric_info((enum wr_metric)i), series, count, &interval, body);
        if (r < 0)
            return r;
        first = false;
    }
    return 0;
}
