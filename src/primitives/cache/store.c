#include "primitives/cache/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"

struct wr_cache_store {
    atomic_uint holders;
    const struct wr_cache_store_ops *ops;
    void *self;
};

struct wr_cache_store *wr_cache_store_make(const struct wr_cache_store_ops *ops, void *self,
                                           struct wr_error *err)
{
    struct wr_cache_store *store = wr_calloc(1, sizeof *store);

    if (!store) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
        return NULL;
    }
    atomic_init(&store->holders, 1);
    store->ops = ops;
    store->self = self;
    return store;
}

const struct wr_cache_store_ops *wr_cache_store_ops(const struct wr_cache_store *store)
{
    return store->ops;
}

void *wr_cache_store_self(const struct wr_cache_store *store)
{
    return store->self;
}

struct wr_cache_store *wr_cache_store_ref(struct wr_cache_store *store)
{
    if (store)
        atomic_fetch_add(&store->holders, 1);
    return store;
}

struct wr_cache_store *wr_cache_store_free(struct wr_cache_store *store)
{
    if (!store || atomic_fetch_sub(&store->holders, 1) != 1)
        return NULL;
    store->ops->free(store->self);
    free(store);
    return NULL;
}
