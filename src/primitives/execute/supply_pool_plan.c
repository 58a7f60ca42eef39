#include <stdlib.h>

#include "primitives/execute/supply_pool_state.h"
#include "primitives/observe/metrics.h"

#define BACKOFF_MS     ((uint64_t)250) /* after the first failure, then twice as long each time */
#define BACKOFF_MAX_MS ((uint64_t)30000)
#define BACKOFF_STEPS  7
#define ASKED_MAX_MS   ((uint64_t)60000) /* what a server may ask for */

static unsigned ready(const struct wr_pool *pool)
{
    return pool->count[WR_POOL_CREATING] + pool->count[WR_POOL_IDLE] +
           pool->count[WR_POOL_RESETTING];
}

static unsigned useful(const struct wr_pool *pool)
{
    return ready(pool) + pool->count[WR_POOL_BUSY];
}

static unsigned wanted(const struct wr_pool *pool)
{
    unsigned beyond = WR_MAX(pool->min_idle, pool->queue.count);
    unsigned most = WR_MAX(pool->size, pool->count[WR_POOL_BUSY] + beyond);

    return WR_MIN(most, pool->max);
}

void wr_pool_set_state(struct wr_pool_entry *entry, enum wr_pool_state state)
{
    entry->pool->count[entry->state]--;
    entry->state = state;
    entry->pool->count[state]++;
}

void wr_pool_end(struct wr_pool_entry *entry)
{
    wr_pool_set_state(entry, WR_POOL_ENDING);
    wr_pool_start_kill(entry);
}

void wr_pool_forget(struct wr_pool_entry *entry)
{
    if (entry->checking)
        return; /* the check's end comes here again */
    entry->pool->count[entry->state]--;
    wr_list_remove(&entry->link);
    wr_reset_baseline_free(entry->baseline);
    free(entry);
}

/* ---- creating ---- */

void wr_pool_create_failed(struct wr_pool *pool, const struct wr_error *err)
{
    uint64_t now = wr_maker_now_ms(&pool->maker);

    pool->last_error = *err;
    if (now < pool->create_after_ms)
        return; /* one of several at once */
    uint64_t pause = BACKOFF_MS << WR_MIN(pool->failures, (unsigned)BACKOFF_STEPS);
    pause = WR_MIN(pause, BACKOFF_MAX_MS);
    pool->failures++;
    pool->create_after_ms =
        now + WR_MAX(pause, WR_MIN((uint64_t)err->retry_after_ms, ASKED_MAX_MS));
}

void wr_pool_made_room(struct wr_pool *pool)
{
    const struct wr_error *last = &pool->last_error;

    if (last->code == WR_E_RESOURCE_EXHAUSTED && last->retry_after_ms == 0)
        pool->create_after_ms = 0;
}

/* The sandboxes that are being killed count: the server has them until they are gone. */
static void plan_creates(struct wr_pool *pool, uint64_t now)
{
    while (useful(pool) < wanted(pool) && useful(pool) + pool->count[WR_POOL_ENDING] < pool->max) {
        if (now < pool->create_after_ms) {
            pool->due_ms = WR_MIN(pool->due_ms, pool->create_after_ms);
            return;
        }
        if (!wr_pool_start_create(pool)) {
            struct wr_error err = {.code = WR_E_RESOURCE_EXHAUSTED, .msg = "pool: out of memory"};
            wr_pool_create_failed(pool, &err);
        }
    }
}

/* Nothing that could be given is there or on its way, nothing makes room, and the next attempt is
 * not due. */
static void fail_the_hopeless(struct wr_pool *pool, uint64_t now)
{
    if (pool->queue.count == 0 || useful(pool) + pool->count[WR_POOL_ENDING] > 0 ||
        now >= pool->create_after_ms)
        return;
    struct wr_error err = pool->last_error;
    err.retry_after_ms = (uint32_t)(pool->create_after_ms - now);
    wr_queue_fail(&pool->queue, &err);
}

/* ---- those that are there ---- */

static void plan_entry(struct wr_pool *pool, struct wr_pool_entry *entry, uint64_t now)
{
    bool idle = entry->state == WR_POOL_IDLE;

    if (entry->state == WR_POOL_CREATING || entry->state == WR_POOL_ENDING)
        return;
    if (idle && now >= entry->expires_ms) {
        wr_pool_end(entry);
        return;
    }
    if (now >= entry->check_ms && !entry->checking) {
        if (idle && useful(pool) > wanted(pool) && now - entry->idle_ms >= pool->health_ms) {
            wr_pool_end(entry);
            return;
        }
        wr_pool_start_check(entry);
    }
    if (!entry->checking)
        pool->due_ms = WR_MIN(pool->due_ms, entry->check_ms);
    if (idle)
        pool->due_ms = WR_MIN(pool->due_ms, entry->expires_ms);
}

static void publish(const struct wr_pool *pool)
{
    struct wr_telemetry *telemetry = pool->maker.telemetry;

    if (!telemetry)
        return;
    wr_metric_set(telemetry, WR_METRIC_POOL, "idle", pool->count[WR_POOL_IDLE]);
    wr_metric_set(telemetry, WR_METRIC_POOL, "busy", pool->count[WR_POOL_BUSY]);
    wr_metric_set(telemetry, WR_METRIC_POOL, "creating",
                  pool->count[WR_POOL_CREATING] + pool->count[WR_POOL_RESETTING]);
    wr_metric_set(telemetry, WR_METRIC_POOL_WAITING, NULL, pool->queue.count);
}

void wr_pool_plan(struct wr_pool *pool)
{
    uint64_t now = wr_maker_now_ms(&pool->maker);

    pool->due_ms = UINT64_MAX;
    wr_list_foreach(it, &pool->entries) {
        struct wr_pool_entry *entry = wr_list_entry(it, struct wr_pool_entry, link);
        if (!pool->closing)
            plan_entry(pool, entry, now);
        else if (entry->state == WR_POOL_IDLE)
            wr_pool_end(entry);
    }
    if (!pool->closing) {
        plan_creates(pool, now);
        fail_the_hopeless(pool, now);
    }
    publish(pool);
    if (pool->wake && pool->due_ms < pool->wake_ms)
        wr_cancel_fire(pool->wake);
}
