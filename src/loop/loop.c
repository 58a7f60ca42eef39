#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "loop/loop_internal.h"

#define EVENTS_PER_ROUND 64
#define FIRST_SLOTS      16
#define MAX_SLOTS        (1U << 22)
/* Events come before idle work, but do not keep it from running for ever. */
#define MAX_BUSY_ROUNDS  32

int wr_loop_new(struct wr_loop **ret, struct wr_error *err)
{
    wr_auto_free struct wr_loop *loop = wr_calloc(1, sizeof(*loop));
    if (!loop)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for an event loop");
    wr_list_init(&loop->idle);
    loop->now_ms = wr_mono_ms();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "cannot create an epoll descriptor");
    *ret = wr_steal_ptr(&loop);
    return 0;
}

struct wr_loop *wr_loop_free(struct wr_loop *loop)
{
    if (!loop)
        return NULL;
    for (uint32_t i = 0; i < loop->slot_count; i++)
        if (loop->slots[i].source)
            loop->slots[i].source->loop = NULL;
    free(loop->slots);
    wr_loop_drop_timers(loop);
    wr_list_foreach(node, &loop->idle)
        wr_list_remove(node);
    (void)wr_close(loop->epoll_fd);
    free(loop);
    return NULL;
}

uint64_t wr_loop_now_ms(const struct wr_loop *loop)
{
    return loop->now_ms;
}

void wr_loop_stop(struct wr_loop *loop, int result)
{
    loop->stopped = true;
    loop->result = result;
}

static int grow_slots(struct wr_loop *loop, struct wr_error *err)
{
    uint32_t count = loop->slot_count ? loop->slot_count * 2 : FIRST_SLOTS;
    struct loop_slot *slots =
        count > MAX_SLOTS ? NULL : reallocarray(loop->slots, count, sizeof(*slots));
    if (!slots)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no room for %u event sources", count);
    for (uint32_t i = loop->slot_count; i < count; i++)
        slots[i] = (struct loop_slot){.next_free = i + 1};
    loop->slots = slots;
    loop->slot_count = count;
    return 0;
}

static uint64_t token_of(const struct wr_source *source)
{
    return (uint64_t)source->loop->slots[source->slot].generation << 32 | source->slot;
}

static int control(const struct wr_source *source, int operation)
{
    struct epoll_event event = {.events = source->events, .data.u64 = token_of(source)};
    return epoll_ctl(source->loop->epoll_fd, operation, source->fd, &event);
}

int wr_source_add(struct wr_loop *loop, struct wr_source *source, int fd, uint32_t events,
                  wr_source_fn fn, void *data, struct wr_error *err)
{
    assert(!source->loop);
    if (loop->first_free == loop->slot_count) {
        int r = grow_slots(loop, err);
        if (r < 0)
            return r;
    }
    struct loop_slot *slot = &loop->slots[loop->first_free];
    struct wr_source added = {
        .loop = loop, .fd = fd, .events = events, .fn = fn, .data = data, .slot = loop->first_free};
    if (control(&added, EPOLL_CTL_ADD) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "cannot watch descriptor %d", fd);
    loop->first_free = slot->next_free;
    slot->source = source;
    *source = added;
    return 0;
}

void wr_source_set_events(struct wr_source *source, uint32_t events)
{
    if (source->events == events)
        return;
    source->events = events;
    /* Fails only if the owner closed the descriptor first. */
    int r = control(source, EPOLL_CTL_MOD);
    assert(r == 0);
}

void wr_source_remove(struct wr_source *source)
{
    struct wr_loop *loop = source->loop;
    if (!loop)
        return;
    (void)control(source,
                  EPOLL_CTL_DEL); /* a descriptor that was closed has left the set already */
    struct loop_slot *slot = &loop->slots[source->slot];
    slot->source = NULL;
    slot->generation++;
    slot->next_free = loop->first_free;
    loop->first_free = source->slot;
    source->loop = NULL;
}

static void dispatch(struct wr_loop *loop, const struct epoll_event *event)
{
    const struct loop_slot *slot = &loop->slots[(uint32_t)event->data.u64];
    struct wr_source *source = slot->source;
    if (!source || slot->generation != (uint32_t)(event->data.u64 >> 32))
        return;
    /* An earlier callback of this round may have narrowed the mask. */
    uint32_t events = event->events & (source->events | EPOLLERR | EPOLLHUP);
    if (events)
        source->fn(source, events, source->data);
}

static int wait_timeout(const struct wr_loop *loop, int timeout_ms)
{
    if (!wr_list_empty(&loop->idle))
        return 0;
    if (loop->timer_count == 0)
        return timeout_ms;
    uint64_t now_ms = wr_mono_ms(), due_ms = loop->heap[0]->due_ms;
    uint64_t left_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    if (timeout_ms >= 0 && (uint64_t)timeout_ms < left_ms)
        return timeout_ms;
    return (int)WR_MIN(left_ms, (uint64_t)INT_MAX);
}

/* Runs what is queued now; what a callback queues waits for the next round. */
static void run_idle(struct wr_loop *loop)
{
    struct wr_list end = {0};
    wr_list_append(&loop->idle, &end);
    while (loop->idle.next != &end) {
        struct wr_idle *idle = wr_list_entry(loop->idle.next, struct wr_idle, link);
        wr_list_remove(&idle->link);
        idle->fn(idle, idle->data);
    }
    wr_list_remove(&end);
}

int wr_loop_step(struct wr_loop *loop, int timeout_ms, struct wr_error *err)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    bool idle_due = !wr_list_empty(&loop->idle);
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, wait_timeout(loop, timeout_ms));
    if (n < 0 && errno != EINTR)
        return wr_fail_errno(err, WR_E_INTERNAL, "epoll_wait");
    loop->now_ms = wr_mono_ms();
    for (int i = 0; i < n; i++)
        dispatch(loop, &events[i]);
    wr_loop_run_timers(loop);
    if (!idle_due)
        return 0;
    if (n > 0 && ++loop->busy_rounds < MAX_BUSY_ROUNDS)
        return 0;
    loop->busy_rounds = 0;
    run_idle(loop);
    return 0;
}

int wr_loop_run(struct wr_loop *loop, struct wr_error *err)
{
    while (!loop->stopped) {
        int r = wr_loop_step(loop, -1, err);
        if (r < 0)
            return r;
    }
    loop->stopped = false;
    return loop->result;
}

void wr_idle_queue(struct wr_loop *loop, struct wr_idle *idle)
{
    if (!wr_list_linked(&idle->link))
        wr_list_append(&loop->idle, &idle->link);
}

void wr_idle_cancel(struct wr_idle *idle)
{
    wr_list_remove(&idle->link);
}
