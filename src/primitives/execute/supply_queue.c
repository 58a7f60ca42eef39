#include "primitives/execute/supply_queue.h"

#include <inttypes.h>
#include <string.h>

void wr_queue_init(struct wr_queue *queue)
{
    wr_list_init(&queue->waiters);
    queue->count = 0;
}

static void leave(struct wr_queue *queue, struct wr_waiter *waiter)
{
    if (!wr_list_linked(&waiter->link))
        return;
    wr_list_remove(&waiter->link);
    queue->count--;
}

int wr_queue_enter(struct wr_queue *queue, struct wr_waiter *waiter, struct wr_cancel *cancel,
                   struct wr_error *err)
{
    memset(waiter, 0, sizeof *waiter);
    waiter->token = wr_cancel_new(cancel, err);
    if (!waiter->token)
        return -err->code;
    wr_list_append(&queue->waiters, &waiter->link);
    queue->count++;
    return 0;
}

static int time_is_over(const struct wr_queue *queue, const struct wr_queue_wait *wait,
                        struct wr_error *err)
{
    if (wait->cancel && wr_cancel_fired(wait->cancel))
        return wr_fail(err, WR_E_CANCELED, 0, "canceled while waiting for a sandbox");
    return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                   "no sandbox became free within %" PRIu64
                   " ms, %u more wait for one; a larger pool, or less at once, helps",
                   wait->timeout_ms, queue->count);
}

int wr_queue_wait(struct wr_queue *queue, struct wr_waiter *waiter,
                  const struct wr_queue_wait *wait, void **ret_entry, struct wr_error *err)
{
    struct wr_error ignored = {0};
    int r = 0;

    if (!waiter->answered) {
        (void)pthread_mutex_unlock(wait->lock);
        (void)wait->clock->sleep_until(wait->clock->self, wait->until_ms, waiter->token, &ignored);
        (void)pthread_mutex_lock(wait->lock);
    }
    leave(queue, waiter);
    waiter->token = wr_cancel_free(waiter->token);
    if (waiter->answered && waiter->entry) {
        *ret_entry = waiter->entry;
    } else if (waiter->answered) {
        *err = waiter->err;
        r = -err->code;
    } else {
        r = time_is_over(queue, wait, err);
    }
    return r;
}

static void answer(struct wr_queue *queue, struct wr_waiter *waiter)
{
    leave(queue, waiter);
    waiter->answered = true;
    wr_cancel_fire(waiter->token);
}

bool wr_queue_give(struct wr_queue *queue, void *entry)
{
    if (wr_list_empty(&queue->waiters))
        return false;
    struct wr_waiter *first = wr_list_entry(queue->waiters.next, struct wr_waiter, link);
    first->entry = entry;
    answer(queue, first);
    return true;
}

void wr_queue_fail(struct wr_queue *queue, const struct wr_error *err)
{
    wr_list_foreach(it, &queue->waiters) {
        struct wr_waiter *waiter = wr_list_entry(it, struct wr_waiter, link);
        waiter->err = *err;
        answer(queue, waiter);
    }
}
