#include "server/durable.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "server/server.h"

struct wr_durable {
    struct wr_server *server;
    struct wr_source source;
    struct wr_list waiters; /* in the order of their numbers */
};

struct waiter {
    struct wr_list link;
    uint64_t number;
    wr_done_fn fn;
    void *data;
};

static void finish(struct waiter *waiter, const struct wr_error *error)
{
    wr_done_fn fn = waiter->fn;
    void *data = waiter->data;

    wr_list_remove(&waiter->link);
    free(waiter);
    fn(error, data);
}

static void on_news(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_durable *durable = data;
    struct wr_error error = {0};
    eventfd_t count;

    (void)source;
    (void)events;
    (void)!eventfd_read(wr_store_sync_fd(durable->server->store), &count);
    while (!wr_list_empty(&durable->waiters)) {
        struct waiter *waiter = wr_list_entry(durable->waiters.next, struct waiter, link);
        int r = wr_store_synced(durable->server->store, waiter->number);
        if (r == 0)
            return;
        if (r < 0)
            (void)wr_fail(&error, WR_E_UNAVAILABLE, -r, "write the store to its disk");
        finish(waiter, r < 0 ? &error : NULL);
    }
}

int wr_durable_wait(struct wr_durable *durable, wr_done_fn fn, void *data, struct wr_error *err)
{
    struct waiter *waiter = wr_calloc(1, sizeof *waiter);

    if (!waiter)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "write the store to its disk");
    waiter->number = wr_store_sync(durable->server->store);
    waiter->fn = fn;
    waiter->data = data;
    wr_list_append(&durable->waiters, &waiter->link);
    return 0;
}

int wr_durable_new(struct wr_server *server, struct wr_durable **ret, struct wr_error *err)
{
    struct wr_durable *durable = wr_calloc(1, sizeof *durable);

    if (!durable)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "durable writes");
    durable->server = server;
    wr_list_init(&durable->waiters);
    int r = wr_source_add(server->loop, &durable->source, wr_store_sync_fd(server->store), EPOLLIN,
                          on_news, durable, err);
    if (r < 0) {
        free(durable);
        return r;
    }
    *ret = durable;
    return 0;
}

struct wr_durable *wr_durable_free(struct wr_durable *durable)
{
    struct wr_error error = {0};

    if (!durable)
        return NULL;
    wr_source_remove(&durable->source);
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the server ends");
    while (!wr_list_empty(&durable->waiters))
        finish(wr_list_entry(durable->waiters.next, struct waiter, link), &error);
    free(durable);
    return NULL;
}
