/* How long to wait before the next attempt. */
#pragma once

#include "warren/recovery.h"

/* Where jitter comes from; tests bring their own. */
struct wr_random {
    double (*next)(void *self); /* 0 <= x < 1; any thread */
    void *self;
};
extern const struct wr_random wr_system_random;

struct wr_backoff_policy {
    enum wr_backoff kind;
    uint64_t delay_ms;
    double factor;         /* >= 1 */
    uint64_t max_delay_ms; /* of the result, jitter included */
    bool jitter;
};

/* Before retry number `retry`, from 0. `random` as of struct wr_random. */
uint64_t wr_backoff_delay_ms(const struct wr_backoff_policy *policy, unsigned retry, double random);
