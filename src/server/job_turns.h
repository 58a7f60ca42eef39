/*
 * How many dumps, restores and copies of sandboxes the engine is asked for at the same time: each
 * one holds memory, and keeps a processor and the disk busy. The others wait before anything has
 * happened to their sandbox: what is going to be paused runs meanwhile. Next is the team that has
 * the fewest turns, and of those with equally many whoever came first: a team that pauses a
 * thousand sandboxes keeps no other one waiting for more than the end of one of them.
 */
#pragma once

#include "base/str.h"
#include "loop/loop.h"
#include "server/store/uuid.h"

struct wr_job_turns {
    struct wr_loop *loop; /* borrowed */
    size_t max;           /* that are had at the same time */
    bool stopped;
    struct wr_list held; /* turns */
    size_t held_count;
    struct wr_list waiting; /* turns, in the order in which they came */
    struct wr_timer timer;  /* armed: some have ended */
};

/* Embedded; zeroed: neither had nor waited for. Ends with wr_job_turn_end(). */
struct wr_job_turn {
    struct wr_list link;
    struct wr_job_turns *turns; /* NULL: see above */
    char id[WR_ID_LEN + 1];     /* the sandbox that it is about, "" for none */
    char team[WR_UUID_LEN + 1];
    bool held;
    struct wr_timer late;
    /* Once, from the loop: it is had, or with an error and then neither had nor waited for. */
    void (*fn)(struct wr_job_turn *turn, const struct wr_error *error);
};

/* What somebody who asked for it waits at most: E2B's clients wait 60 s for their answer. */
#define WR_JOB_TURN_WAIT_MS 50000

struct wr_job_turn_wish {
    const char *id;   /* NULL: of no sandbox */
    const char *team; /* its id */
    uint64_t wait_ms; /* UNAVAILABLE after that; 0: waits as long as it takes */
    void (*fn)(struct wr_job_turn *turn, const struct wr_error *error);
};

/* `max` 0: one for each processor, 2 to 16. */
void wr_job_turns_init(struct wr_job_turns *turns, struct wr_loop *loop, size_t max);
/* The server ends: who waits is told so, and there are no more. Accepts a zeroed one. */
void wr_job_turns_stop(struct wr_job_turns *turns);
/* 1: it is had, now or already. 0: it is waited for, and `fn` is called. Negative: neither. */
int wr_job_turn_take(struct wr_job_turns *turns, struct wr_job_turn *turn,
                     const struct wr_job_turn_wish *wish, struct wr_error *err) WR_MUST_CHECK;
/* Somebody else's turn. Accepts one that is zeroed or has ended. */
void wr_job_turn_end(struct wr_job_turn *turn);
/* The sandbox is being killed: who waits for a turn about it is told so (ABORTED). */
void wr_job_turns_drop(struct wr_job_turns *turns, const char *id);
size_t wr_job_turns_waiting(const struct wr_job_turns *turns);
