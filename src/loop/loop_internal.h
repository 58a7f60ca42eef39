/* What loop.c and timer.c share. */
#pragma once

#include "loop/loop.h"

struct loop_slot {
    struct wr_source *source; /* borrowed; NULL when free */
    uint32_t
        generation; /* changes on removal, so that an event of the previous owner is recognised */
    uint32_t next_free; /* when free */
};

struct wr_loop {
    int epoll_fd;
    uint64_t now_ms;

    struct loop_slot *slots; /* owned */
    uint32_t slot_count;
    uint32_t first_free; /* slot_count when all are taken */

    struct wr_timer **heap; /* owned array of borrowed timers; the earliest first */
    size_t timer_count, timer_cap;
    uint64_t next_order;

    struct wr_list idle;
    unsigned int busy_rounds; /* rounds with events since idle work was due */

    bool stopped;
    int result;
};

/* Fires what was due and armed when it was called. */
void wr_loop_run_timers(struct wr_loop *loop);
/* Marks every timer as not armed and frees the heap. */
void wr_loop_drop_timers(struct wr_loop *loop);
