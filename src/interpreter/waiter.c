#include "interpreter/waiter.h"

#include "base/alloc.h"

struct waiter {
    struct wr_list link;
    struct wr_exchange *ex;
};

static void answer(struct wr_exchange *ex)
{
    wr_exchange_reply(ex, 200, "application/json", "null", 4);
}

/* Also when its client leaves earlier. */
static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct waiter *waiter = data;

    (void)ex;
    (void)aborted;
    wr_list_remove(&waiter->link);
    free(waiter);
}

void wr_waiter_add(struct wr_list *waiters, struct wr_exchange *ex)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};
    struct waiter *waiter = wr_calloc(1, sizeof(*waiter));

    if (!waiter) {
        answer(ex);
        return;
    }
    waiter->ex = ex;
    wr_list_append(waiters, &waiter->link);
    wr_exchange_set_ops(ex, &ops, waiter);
}

void wr_waiters_answer(struct wr_list *waiters)
{
    wr_list_foreach(it, waiters) {
        struct waiter *waiter = wr_list_entry(it, struct waiter, link);
        wr_list_remove(&waiter->link);
        answer(waiter->ex);
    }
}
