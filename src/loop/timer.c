/* Timers: a binary min-heap by due time, then by order of arming. */
#include <stdlib.h>

#include "base/clock.h"
#include "loop/loop_internal.h"

#define FIRST_CAPACITY 16

static bool earlier(const struct wr_timer *a, const struct wr_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void place(struct wr_loop *loop, struct wr_timer *timer, size_t index)
{
    loop->heap[index] = timer;
    timer->heap_index = index;
}

/* Moves the timer at `index` up or down to where it belongs. */
static void sift(struct wr_loop *loop, size_t index)
{
    struct wr_timer *timer = loop->heap[index];
    while (index > 0 && earlier(timer, loop->heap[(index - 1) / 2])) {
        place(loop, loop->heap[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * index + 1;
        if (child + 1 < loop->timer_count && earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (child >= loop->timer_count || !earlier(loop->heap[child], timer))
            break;
        place(loop, loop->heap[child], index);
        index = child;
    }
    place(loop, timer, index);
}

static int grow(struct wr_loop *loop, struct wr_error *err)
{
    if (loop->timer_count < loop->timer_cap)
        return 0;
    size_t cap = loop->timer_cap ? loop->timer_cap * 2 : FIRST_CAPACITY;
    struct wr_timer **heap = reallocarray(loop->heap, cap, sizeof(struct wr_timer *));
    if (!heap)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for %zu timers", cap);
    loop->heap = heap;
    loop->timer_cap = cap;
    return 0;
}

/* Rounded up to whole ms so that a timer never fires early; without a delay it is due at once. */
static uint64_t due_after(uint64_t delay_ms)
{
    uint64_t now_us = wr_mono_us();
    uint64_t now_ms = delay_ms == 0 ? now_us / 1000 : (now_us + 999) / 1000;
    return delay_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + delay_ms;
}

int wr_timer_start(struct wr_loop *loop, struct wr_timer *timer, uint64_t delay_ms, wr_timer_fn fn,
                   void *data, struct wr_error *err)
{
    int r = grow(loop, err);
    if (r < 0)
        return r;
    wr_timer_stop(timer);
    timer->loop = loop;
    timer->fn = fn;
    timer->data = data;
    timer->due_ms = due_after(delay_ms);
    timer->order = loop->next_order++;
    place(loop, timer, loop->timer_count++);
    sift(loop, timer->heap_index);
    return 0;
}

void wr_timer_stop(struct wr_timer *timer)
{
    struct wr_loop *loop = timer->loop;
    if (!loop)
        return;
    timer->loop = NULL;
    struct wr_timer *last = loop->heap[--loop->timer_count];
    if (last != timer) {
        place(loop, last, timer->heap_index);
        sift(loop, last->heap_index);
    }
}

void wr_loop_run_timers(struct wr_loop *loop)
{
    /* A timer that is armed from here on is due no earlier than those that are due now, and comes
     * after them. */
    uint64_t end = loop->next_order;
    while (loop->timer_count > 0 && loop->heap[0]->due_ms <= loop->now_ms &&
           loop->heap[0]->order < end) {
        struct wr_timer *timer = loop->heap[0];
        wr_timer_stop(timer);
        timer->fn(timer, timer->data);
    }
}

void wr_loop_drop_timers(struct wr_loop *loop)
{
    for (size_t i = 0; i < loop->timer_count; i++)
        loop->heap[i]->loop = NULL;
    free(loop->heap);
}
