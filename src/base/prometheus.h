/*
 * Writer of the Prometheus text format 0.0.4: families, each with its help, type and samples. A
 * family that has begun is complete before the next one. Errors stick and are returned at the end.
 */
#pragma once

#include "base/buf.h"

#define WR_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum wr_prometheus_kind {
    WR_PROMETHEUS_COUNTER = 0,
    WR_PROMETHEUS_GAUGE = 1,
    WR_PROMETHEUS_HISTOGRAM = 2,
};

struct wr_prometheus {
    struct wr_buf *out; /* borrowed */
    const char *name;   /* of the family that has begun */
    int error;          /* first -errno */
};

void wr_prometheus_init(struct wr_prometheus *page, struct wr_buf *out);
/* `name` is a static string; that of a counter ends with "_total". */
void wr_prometheus_family(struct wr_prometheus *page, enum wr_prometheus_kind kind,
                          const char *name, const char *help);
/* A sample of the family, with one label, or without: NULL. */
void wr_prometheus_sample(struct wr_prometheus *page, const char *label, const char *label_value,
                          uint64_t value);
void wr_prometheus_sample_double(struct wr_prometheus *page, const char *label,
                                 const char *label_value, double value);

struct wr_prometheus_histogram {
    const double *bounds;   /* upper ones, rising, without infinity */
    const uint64_t *counts; /* of each bound alone, then of what is above the last */
    size_t bound_count;
    double sum;
};
/* The samples of a histogram without labels. */
void wr_prometheus_buckets(struct wr_prometheus *page,
                           const struct wr_prometheus_histogram *histogram);
/* 0 or the first -errno. */
int wr_prometheus_finish(const struct wr_prometheus *page) WR_MUST_CHECK;
