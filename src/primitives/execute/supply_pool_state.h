/*
 * The pool from inside: its entries and what each is doing.
 *
 *     CREATING -> IDLE <-> BUSY -> ENDING -> gone
 *                  ^        |
 *                  +- RESETTING -> ENDING
 *
 * Every change is made under the pool's lock and followed by wr_pool_plan(), which begins what is
 * due. What takes time (creating, resetting, killing, asking) is a job of the maker's crew.
 */
#pragma once

#include <pthread.h>

#include "primitives/execute/reset_in_place.h"
#include "primitives/execute/supply_maker.h"
#include "primitives/execute/supply_queue.h"

enum wr_pool_state {
    WR_POOL_CREATING = 0,
    WR_POOL_IDLE,
    WR_POOL_BUSY,
    WR_POOL_RESETTING,
    WR_POOL_ENDING,
    WR_POOL_STATES_
};

struct wr_pool;

struct wr_pool_entry {
    struct wr_list link; /* in the pool's list; idle ones in the order in which they became idle */
    struct wr_pool *pool;
    enum wr_pool_state state;
    struct wr_job job;   /* creating, resetting or killing */
    struct wr_job check; /* asking, beside the rest */
    bool checking, killed;
    struct wr_made made;
    struct wr_reset_baseline *baseline; /* NULL: it cannot be cleaned */
    uint64_t number;
    unsigned uses;
    uint64_t expires_ms; /* its server ends it then */
    uint64_t check_ms;   /* to be asked, and its time renewed, then */
    uint64_t idle_ms;    /* since when */
};

struct wr_pool {
    struct wr_maker maker;
    unsigned size, min_idle, max;
    bool reset_in_place;
    uint64_t health_ms, timeout_s;

    pthread_mutex_t lock; /* of what follows */
    struct wr_list entries;
    unsigned count[WR_POOL_STATES_];
    struct wr_queue queue;
    uint64_t numbers, resets, resets_refused;
    bool closing;
    /* Creating: not before `create_after_ms`, since `failures` attempts in a row did not work. */
    uint64_t create_after_ms;
    unsigned failures;
    struct wr_error last_error;

    pthread_t keeper; /* calls wr_pool_plan() when time makes something due */
    bool has_keeper;
    uint64_t due_ms;        /* when that is */
    struct wr_cancel *wake; /* what the keeper sleeps on, until `wake_ms`; NULL: it is awake */
    uint64_t wake_ms;
};

/* Begins whatever is due: creates, checks, kills; answers those who wait in vain; sets `due_ms` and
 * wakes the keeper when that is earlier than it thinks. The lock is held. */
void wr_pool_plan(struct wr_pool *pool);
void wr_pool_set_state(struct wr_pool_entry *entry, enum wr_pool_state state);
/* Starts to kill it; with its job's end it is gone. */
void wr_pool_end(struct wr_pool_entry *entry);
/* Unlinks and frees it, when nothing is under way with it any more. */
void wr_pool_forget(struct wr_pool_entry *entry);
/* The next attempt is made after a while. */
void wr_pool_create_failed(struct wr_pool *pool, const struct wr_error *err);
/* One less is at the server: if it said that it has no more, it is asked again at once. */
void wr_pool_made_room(struct wr_pool *pool);

/* supply_pool_jobs.c; the lock is held. They submit the job. */
bool wr_pool_start_create(struct wr_pool *pool) WR_MUST_CHECK;
void wr_pool_start_reset(struct wr_pool_entry *entry);
void wr_pool_start_kill(struct wr_pool_entry *entry);
void wr_pool_start_check(struct wr_pool_entry *entry);
