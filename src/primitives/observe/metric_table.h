/* What each metric is: the one table behind the enum of metrics.h. */
#pragma once

#include "base/prometheus.h"
#include "primitives/observe/metrics.h"

#define WR_METRIC_MAX_BOUNDS 16

struct wr_metric_info {
    const char *name, *help;
    enum wr_prometheus_kind kind;
    const char *unit;     /* of OTLP (UCUM): "s", "1", "{sandbox}" */
    const char *label;    /* key of its label; NULL: none */
    const double *bounds; /* of a histogram's buckets, rising */
    size_t bound_count;
};

/* Constant. */
const struct wr_metric_info *wr_metric_info(enum wr_metric metric);
