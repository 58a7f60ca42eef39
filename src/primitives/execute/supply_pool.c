#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/options.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/supply_pool_state.h"
#include "primitives/observe/metrics.h"

#define DEFAULT_SIZE      10
#define DEFAULT_MAX       20U
#define DEFAULT_HEALTH_MS 30000
#define MAX_SANDBOXES     10000U
#define KEEPER_NAP_MS     1000 /* without a token to sleep on */

/* ---- leases ---- */

/* The one that became idle last: those at the other end are what the pool can do without. */
static struct wr_pool_entry *take_idle(struct wr_pool *pool)
{
    for (struct wr_list *it = pool->entries.prev; it != &pool->entries; it = it->prev) {
        struct wr_pool_entry *entry = wr_list_entry(it, struct wr_pool_entry, link);
        if (entry->state == WR_POOL_IDLE) {
            wr_pool_set_state(entry, WR_POOL_BUSY);
            return entry;
        }
    }
    return NULL;
}

/* A wait that was in vain, since no more could be made, says why. */
static int explain(const struct wr_pool *pool, struct wr_error *err)
{
    if (err->code != WR_E_DEADLINE_EXCEEDED || pool->failures == 0)
        return -err->code;
    return wr_fail(
        err, WR_E_DEADLINE_EXCEEDED, 0,
        "no sandbox became free in time, %u more wait for one, and making another fails: "
        "%.110s",
        pool->queue.count, pool->last_error.msg);
}

static int wait_for_one(struct wr_pool *pool, struct wr_workflow *workflow,
                        struct wr_pool_entry **ret, struct wr_error *err)
{
    struct wr_wait time = wr_workflow_wait(workflow, 0);
    struct wr_queue_wait wait = {.lock = &pool->lock,
                                 .clock = pool->maker.clock,
                                 .cancel = time.cancel,
                                 .timeout_ms = time.timeout_ms,
                                 .until_ms = UINT64_MAX};
    struct wr_waiter waiter;
    void *entry = NULL;

    if (time.timeout_ms)
        wait.until_ms = wr_maker_now_ms(&pool->maker) + time.timeout_ms;
    int r = wr_queue_enter(&pool->queue, &waiter, time.cancel, err);
    if (r < 0)
        return r;
    wr_pool_plan(pool);
    r = wr_queue_wait(&pool->queue, &waiter, &wait, &entry, err);
    if (r < 0)
        return explain(pool, err);
    *ret = entry;
    return 0;
}

static int acquire(void *self, struct wr_workflow *workflow, struct wr_lease *ret,
                   struct wr_error *err)
{
    struct wr_pool *pool = self;
    struct wr_pool_entry *entry = NULL;
    uint64_t start_us = wr_mono_us();
    int r = 0;

    (void)pthread_mutex_lock(&pool->lock);
    if (pool->closing)
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the pool was closed");
    else if (pool->queue.count == 0)
        entry = take_idle(pool);
    if (r == 0 && !entry)
        r = wait_for_one(pool, workflow, &entry, err);
    if (r == 0) {
        wr_maker_adopt(&pool->maker, workflow, &entry->made);
        entry->uses++;
        *ret = (struct wr_lease){.sandbox = entry->made.sandbox,
                                 .fresh = entry->uses == 1,
                                 .number = entry->number,
                                 .entry = entry};
    }
    wr_pool_plan(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    wr_metric_observe(wr_maker_telemetry(&pool->maker, workflow), WR_METRIC_POOL_WAIT,
                      (double)(wr_mono_us() - start_us) / 1e6);
    return r;
}

static void release(void *self, const struct wr_lease *lease, enum wr_lease_end end)
{
    struct wr_pool *pool = self;
    struct wr_pool_entry *entry = lease->entry;

    (void)pthread_mutex_lock(&pool->lock);
    if (end == WR_LEASE_DONE && entry->baseline && !pool->closing)
        wr_pool_start_reset(entry);
    else
        wr_pool_end(entry);
    wr_pool_plan(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void stats(void *self, struct wr_supply_stats *ret)
{
    struct wr_pool *pool = self;

    (void)pthread_mutex_lock(&pool->lock);
    ret->created = atomic_load(&pool->maker.created);
    ret->killed = atomic_load(&pool->maker.killed);
    ret->idle = pool->count[WR_POOL_IDLE];
    ret->busy = pool->count[WR_POOL_BUSY];
    ret->creating = pool->count[WR_POOL_CREATING] + pool->count[WR_POOL_RESETTING];
    ret->waiting = pool->queue.count;
    ret->resets = pool->resets;
    ret->resets_refused = pool->resets_refused;
    wr_list_foreach(it, &pool->entries) {
        const struct wr_pool_entry *entry = wr_list_entry(it, struct wr_pool_entry, link);
        ret->oldest_age_s = WR_MAX(ret->oldest_age_s, wr_maker_age_s(&pool->maker, &entry->made));
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

/* ---- its life ---- */

static void *keep(void *arg)
{
    struct wr_pool *pool = arg;

    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->closing) {
        struct wr_error ignored = {0};
        wr_pool_plan(pool);
        struct wr_cancel *token = wr_cancel_new(pool->maker.closing, &ignored);
        uint64_t nap_ms = wr_maker_now_ms(&pool->maker) + KEEPER_NAP_MS;
        pool->wake = token;
        pool->wake_ms = token ? pool->due_ms : WR_MIN(pool->due_ms, nap_ms);
        uint64_t until_ms = pool->wake_ms;
        (void)pthread_mutex_unlock(&pool->lock);
        (void)pool->maker.clock->sleep_until(pool->maker.clock->self, until_ms,
                                             token ? token : pool->maker.closing, &ignored);
        (void)pthread_mutex_lock(&pool->lock);
        pool->wake = NULL;
        wr_cancel_free(token);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void close_pool(void *self)
{
    struct wr_pool *pool = self;
    struct wr_error closed = {0};

    (void)wr_fail(&closed, WR_E_CANCELED, 0, "the pool was closed while waiting for a sandbox");
    (void)pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    wr_queue_fail(&pool->queue, &closed);
    wr_pool_plan(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    wr_maker_close(&pool->maker);
}

static void free_pool(void *self)
{
    struct wr_pool *pool = self;

    if (pool->has_keeper)
        (void)pthread_join(pool->keeper, NULL);
    /* None is in use by now, or whoever has it has forgotten it: it ends too. */
    (void)pthread_mutex_lock(&pool->lock);
    wr_list_foreach(it, &pool->entries) {
        struct wr_pool_entry *entry = wr_list_entry(it, struct wr_pool_entry, link);
        if (entry->state == WR_POOL_BUSY)
            wr_pool_end(entry);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    wr_maker_done(&pool->maker);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static const struct wr_supply_ops pool_ops = {
    .kind = "pool",
    .acquire = acquire,
    .release = release,
    .stats = stats,
    .close = close_pool,
    .free = free_pool,
};

static int configure(struct wr_pool *pool, const struct wr_supply_opts *opts, struct wr_error *err)
{
    pool->size = opts->size ? opts->size : DEFAULT_SIZE;
    pool->max = opts->max ? opts->max : WR_MAX(pool->size, DEFAULT_MAX);
    pool->min_idle = opts->min_idle;
    pool->reset_in_place = opts->reset_in_place;
    pool->health_ms = opts->health_interval_ms ? opts->health_interval_ms : DEFAULT_HEALTH_MS;
    pool->timeout_s =
        pool->maker.tmpl.opts.timeout_s ? pool->maker.tmpl.opts.timeout_s : WR_SUPPLY_TIMEOUT_S;
    if (pool->size > pool->max || pool->min_idle > pool->max || pool->max > MAX_SANDBOXES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a pool of %u, %u idle, at most %u: the last must be the largest, and at "
                       "most %u",
                       pool->size, pool->min_idle, pool->max, MAX_SANDBOXES);
    return 0;
}

static struct wr_supply *start(struct wr_pool *pool, struct wr_error *err)
{
    struct wr_supply *supply = wr_supply_make(&pool_ops, pool, err);

    if (!supply) {
        free_pool(pool);
        return NULL;
    }
    wr_supply_set_scope(supply, pool->maker.scope);
    int r = wr_crew_thread(keep, pool, "warren-pool", &pool->keeper);
    pool->has_keeper = r == 0;
    if (r == 0)
        return supply;
    (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "start a thread");
    return wr_supply_free(supply);
}

struct wr_supply *wr_supply_pool(struct wr_client *client, const struct wr_supply_opts *given,
                                 struct wr_error *err)
{
    struct wr_supply_opts opts;

    if (wr_options_read(given, &opts, sizeof opts, "wr_supply_opts", err) < 0)
        return NULL;
    struct wr_pool *pool = wr_calloc(1, sizeof *pool);
    if (!pool) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "pool");
        return NULL;
    }
    (void)pthread_mutex_init(&pool->lock, NULL);
    wr_list_init(&pool->entries);
    wr_queue_init(&pool->queue);
    if (wr_maker_init(&pool->maker, pool_ops.kind, client, &opts, err) == 0 &&
        configure(pool, &opts, err) == 0)
        return start(pool, err);
    free_pool(pool);
    return NULL;
}
