#include "primitives/observe/prometheus_page.h"

#include "base/alloc.h"

static void write_numbers(struct wr_prometheus *page, const struct wr_metric_info *info,
                          const struct wr_metric_series *series, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wr_prometheus_sample_double(page, series[i].label[0] ? info->label : NULL, series[i].label,
                                    series[i].value);
}

static void write_metric(struct wr_prometheus *page, struct wr_metric_store *store,
                         enum wr_metric metric)
{
    const struct wr_metric_info *info = wr_metric_info(metric);
    wr_auto_free struct wr_metric_series *series = NULL;
    size_t count = wr_metric_store_read(store, metric, &series);

    wr_prometheus_family(page, info->kind, info->name, info->help);
    if (info->kind != WR_PROMETHEUS_HISTOGRAM)
        write_numbers(page, info, series, count);
    else if (count > 0)
        wr_prometheus_buckets(page,
                              &(struct wr_prometheus_histogram){.bounds = info->bounds,
                                                                .counts = series->counts,
                                                                .bound_count = info->bound_count,
                                                                .sum = series->value});
}

int wr_prometheus_page(struct wr_metric_store *store, struct wr_buf *out)
{
    struct wr_prometheus page;

    wr_prometheus_init(&page, out);
    for (size_t i = 0; i < WR_METRIC_COUNT_; i++)
        write_metric(&page, store, (enum wr_metric)i);
    return wr_prometheus_finish(&page);
}
