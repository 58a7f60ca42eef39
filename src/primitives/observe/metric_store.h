/*
 * The values of all metrics of one telemetry. Thread-safe: one lock, held while one value changes
 * or one metric is copied.
 */
#pragma once

#include "primitives/observe/metric_table.h"

#define WR_METRIC_LABEL_MAX    64  /* bytes of a label's value, its NUL included */
#define WR_METRIC_LABEL_VALUES 100 /* of one metric; further ones are counted as "other" */

struct wr_metric_series {
    char label[WR_METRIC_LABEL_MAX]; /* "": none */
    double value;                    /* a histogram's sum */
    uint64_t counts[WR_METRIC_MAX_BOUNDS + 1];
};

struct wr_metric_store;

/* NULL without memory. */
struct wr_metric_store *wr_metric_store_new(void);
/* Accepts NULL, returns NULL. */
struct wr_metric_store *wr_metric_store_free(struct wr_metric_store *store);

void wr_metric_store_add(struct wr_metric_store *store, enum wr_metric metric, const char *label,
                         double amount);
void wr_metric_store_set(struct wr_metric_store *store, enum wr_metric metric, const char *label,
                         double value);
void wr_metric_store_observe(struct wr_metric_store *store, enum wr_metric metric, double seconds);

/* A copy of what a metric has, to free(); those without a label have one series from the start.
 * The count; 0 without memory too. */
size_t wr_metric_store_read(struct wr_metric_store *store, enum wr_metric metric,
                            struct wr_metric_series **ret);
/* The value without a label. */
double wr_metric_store_value(struct wr_metric_store *store, enum wr_metric metric);
