#include "primitives/limit/window.h"

#include "base/base.h"

void wr_window_init(struct wr_window *window, uint64_t period_ms, uint64_t now_ms)
{
    *window = (struct wr_window){
        .bucket_ms = (period_ms + WR_WINDOW_BUCKETS - 1) / WR_WINDOW_BUCKETS,
    };
    window->newest = now_ms / window->bucket_ms;
}

/* Empties the buckets whose time has passed. */
static void roll(struct wr_window *window, uint64_t now_ms)
{
    uint64_t now = now_ms / window->bucket_ms;

    if (now <= window->newest)
        return;
    uint64_t passed = WR_MIN(now - window->newest, (uint64_t)WR_WINDOW_BUCKETS);
    for (uint64_t i = 0; i < passed; i++)
        window->sums[(now - i) % WR_WINDOW_BUCKETS] = 0;
    window->newest = now;
    /* Anew, so that errors of rounding do not add up. */
    window->total = 0;
    for (size_t i = 0; i < WR_WINDOW_BUCKETS; i++)
        window->total += window->sums[i];
}

void wr_window_add(struct wr_window *window, uint64_t now_ms, double amount)
{
    roll(window, now_ms);
    window->sums[window->newest % WR_WINDOW_BUCKETS] += amount;
    window->total += amount;
}

double wr_window_total(struct wr_window *window, uint64_t now_ms)
{
    roll(window, now_ms);
    return window->total;
}
