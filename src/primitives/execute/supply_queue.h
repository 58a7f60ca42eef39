/*
 * Those who wait for a sandbox, first come, first served. What becomes free is handed to the first
 * of them, nobody who comes later can take it before.
 *
 * All functions are called with the supply's lock held.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/list.h"
#include "warren/recovery.h"

struct wr_queue {
    struct wr_list waiters; /* each on the stack of who waits */
    unsigned count;
};

void wr_queue_init(struct wr_queue *queue);

struct wr_waiter {
    struct wr_list link;
    struct wr_cancel *token; /* fired when there is an answer, or the caller gives up */
    bool answered;
    void *entry; /* NULL: `err` says why */
    struct wr_error err;
};

/* Takes the last place. `cancel` (may be NULL) is who may give up. Each that was entered is waited
 * for. */
int wr_queue_enter(struct wr_queue *queue, struct wr_waiter *waiter, struct wr_cancel *cancel,
                   struct wr_error *err) WR_MUST_CHECK;

struct wr_queue_wait {
    pthread_mutex_t *lock; /* given up meanwhile */
    const struct wr_clock *clock;
    struct wr_cancel *cancel; /* as above */
    uint64_t timeout_ms;      /* for messages; 0: none */
    uint64_t until_ms;        /* of the clock; UINT64_MAX: none */
};
/* Waits for the answer and leaves the queue: *ret_entry, or its error; CANCELED; DEADLINE_EXCEEDED,
 * which says how many wait. */
int wr_queue_wait(struct wr_queue *queue, struct wr_waiter *waiter,
                  const struct wr_queue_wait *wait, void **ret_entry, struct wr_error *err)
    WR_MUST_CHECK;

/* To the first; false when nobody waits. */
bool wr_queue_give(struct wr_queue *queue, void *entry) WR_MUST_CHECK;
/* To all. */
void wr_queue_fail(struct wr_queue *queue, const struct wr_error *err);
