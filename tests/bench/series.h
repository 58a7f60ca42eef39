/* Named lists of durations, written as one JSON object: statistics are the reader's. */
#pragma once

#include "base/error.h"
#include "json/jwrite.h"

#define WR_SERIES_MAX       16
#define WR_SERIES_VALUE_MAX ((size_t)100000)

struct wr_series {
    char name[32];
    uint32_t *values_us; /* owned */
    size_t count, cap;
};

struct wr_series_set {
    struct wr_series series[WR_SERIES_MAX];
    size_t count;
    bool paused; /* values are dropped: warm-up */
};

void wr_series_set_done(struct wr_series_set *set);
/* Adds to the series of that name, which is made when it is new. RESOURCE_EXHAUSTED beyond the
 * maxima above. */
int wr_series_add(struct wr_series_set *set, const char *name, uint64_t value_us,
                  struct wr_error *err) WR_MUST_CHECK;
/* {"<name>": [microseconds, ...], ...} */
void wr_series_write(const struct wr_series_set *set, struct wr_jw *w);
