/*
 * Time that a test moves. Nobody sleeps: with `advances` a sleep moves the time on by itself and
 * returns; without, it lasts until the test has moved the time far enough, or its token fires.
 */
#pragma once

#include <pthread.h>

#include "base/list.h"
#include "warren/recovery.h"

struct fake_clock {
    struct wr_clock clock; /* what options want */
    bool advances;
    /* private: */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t now_ms;
    struct wr_list sleepers;
    unsigned sleeping;
    uint64_t slept_ms; /* sum of all sleeps that were asked for */
    unsigned sleeps;
};

void fake_clock_init(struct fake_clock *clock, uint64_t now_ms, bool advances);
/* Nobody may be sleeping. */
void fake_clock_done(struct fake_clock *clock);
/* `now_ms` may also go back. Wakes those whose time has come. */
void fake_clock_set(struct fake_clock *clock, uint64_t now_ms);
void fake_clock_advance(struct fake_clock *clock, uint64_t by_ms);
/* Returns when so many are sleeping. */
void fake_clock_wait_sleepers(struct fake_clock *clock, unsigned count);
uint64_t fake_clock_slept_ms(struct fake_clock *clock);
unsigned fake_clock_sleeps(struct fake_clock *clock);
