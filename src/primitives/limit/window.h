/* A sum over a window of time that rolls: kept as buckets, so that it takes the same memory for a
 * minute and for a year. What is older than the window goes a bucket at a time. Not thread-safe. */
#pragma once

#include <stdint.h>

#define WR_WINDOW_BUCKETS 360

struct wr_window {
    uint64_t bucket_ms;
    uint64_t newest; /* number of the bucket of the last look, since the clock's zero */
    double sums[WR_WINDOW_BUCKETS];
    double total;
};

/* `period_ms` > 0. */
void wr_window_init(struct wr_window *window, uint64_t period_ms, uint64_t now_ms);
/* Times that are before an earlier one count as that one. */
void wr_window_add(struct wr_window *window, uint64_t now_ms, double amount);
double wr_window_total(struct wr_window *window, uint64_t now_ms);
