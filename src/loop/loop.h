/*
 * One epoll loop per process, single-threaded, level-triggered.
 *
 * A source may be removed (even freed) inside any callback, its own included: pending events of
 * removed sources are dropped. Timers are a binary heap; a timer that is not armed costs nothing.
 */
#pragma once

#include <stdbool.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/list.h"

struct wr_loop;
struct wr_source;
struct wr_timer;

typedef void (*wr_source_fn)(struct wr_source *source, uint32_t events, void *data);
typedef void (*wr_timer_fn)(struct wr_timer *timer, void *data);

/* Embedded in the owner's struct; zero-initialised means "not added". */
struct wr_source {
    struct wr_loop *loop; /* NULL when not added */
    int fd;               /* borrowed: the owner closes it after wr_source_remove */
    uint32_t events;
    wr_source_fn fn;
    void *data;
    /* private: */
    uint32_t slot;
};

struct wr_timer {
    struct wr_loop *loop; /* NULL when not armed */
    uint64_t due_ms;
    wr_timer_fn fn;
    void *data;
    /* private: */
    size_t heap_index;
    uint64_t order;
};

int wr_loop_new(struct wr_loop **ret, struct wr_error *err) WR_MUST_CHECK;
/* Marks what is still added or armed as not added and closes the epoll descriptor, without a change
 * to the set behind it: a forked child frees its copy of the loop and its parent's goes on. Accepts
 * NULL; returns NULL. */
struct wr_loop *wr_loop_free(struct wr_loop *loop);

/* Runs until wr_loop_stop(). Returns the value given to wr_loop_stop(), or -WR_E_* if epoll itself
 * fails. */
int wr_loop_run(struct wr_loop *loop, struct wr_error *err) WR_MUST_CHECK;
/* One wait of at most `timeout_ms` (-1: until something happens) and its callbacks. 0 or -WR_E_*.
 */
int wr_loop_step(struct wr_loop *loop, int timeout_ms, struct wr_error *err) WR_MUST_CHECK;
void wr_loop_stop(struct wr_loop *loop, int result);
/* Monotonic ms, taken once per round. */
uint64_t wr_loop_now_ms(const struct wr_loop *loop);

/* events: EPOLLIN | EPOLLOUT; 0 waits for errors and hang-up only. */
int wr_source_add(struct wr_loop *loop, struct wr_source *source, int fd, uint32_t events,
                  wr_source_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* Changes the mask; no system call when it is the same. */
void wr_source_set_events(struct wr_source *source, uint32_t events);
/* Idempotent; accepts a zeroed source. */
void wr_source_remove(struct wr_source *source);

/* Arms or re-arms; one shot. Never fires early; timers that are due together fire in the order of
 * due time, then of arming. */
int wr_timer_start(struct wr_loop *loop, struct wr_timer *timer, uint64_t delay_ms, wr_timer_fn fn,
                   void *data, struct wr_error *err) WR_MUST_CHECK;
void wr_timer_stop(struct wr_timer *timer);

/* A function that runs once when the current round has no more events ("idle work": refill pools).
 * Idempotent while queued; embedded like a source. */
struct wr_idle {
    struct wr_list link;
    void (*fn)(struct wr_idle *idle, void *data);
    void *data;
};
void wr_idle_queue(struct wr_loop *loop, struct wr_idle *idle);
void wr_idle_cancel(struct wr_idle *idle);

/* Blocks `signals` (a 0-terminated array) and delivers them through the loop (signalfd). */
struct wr_signals {
    struct wr_source source;
    int fd;
    void (*fn)(int signo, void *data);
    void *data;
};
int wr_signals_add(struct wr_loop *loop, struct wr_signals *signals, const int *signos,
                   void (*fn)(int signo, void *data), void *data, struct wr_error *err)
    WR_MUST_CHECK;
/* The signals stay blocked: one that is pending must not end the process. Accepts a zeroed struct.
 */
void wr_signals_remove(struct wr_signals *signals);
