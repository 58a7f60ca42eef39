#include <string.h>

#include "base/alloc.h"
#include "json/value.h"
#include "primitives/execute/supply_pool_state.h"
#include "primitives/observe/event.h"

#define CHECK_TIMEOUT_MS ((uint64_t)10000)
#define CHECK_AGAIN_MS   ((uint64_t)1000) /* after one that told nothing */

static void offer(struct wr_pool_entry *entry)
{
    struct wr_pool *pool = entry->pool;

    if (pool->closing) {
        wr_pool_end(entry);
        return;
    }
    /* Idle ones are in the order in which they became idle. */
    wr_list_remove(&entry->link);
    wr_list_append(&pool->entries, &entry->link);
    if (wr_queue_give(&pool->queue, entry)) {
        wr_pool_set_state(entry, WR_POOL_BUSY);
    } else {
        wr_pool_set_state(entry, WR_POOL_IDLE);
        entry->idle_ms = wr_maker_now_ms(&pool->maker);
    }
}

static void set_alive(struct wr_pool_entry *entry, uint64_t from_ms)
{
    uint64_t timeout_ms = entry->pool->timeout_s * 1000;

    entry->expires_ms = from_ms + timeout_ms;
    entry->check_ms = from_ms + WR_MIN(entry->pool->health_ms, timeout_ms / 2);
}

static void log_event(const struct wr_pool *pool, const char *level, const char *event,
                      const struct wr_made *made, const struct wr_error *err)
{
    if (pool->maker.workflow)
        wr_telemetry_log(pool->maker.workflow, level, event, pool->maker.kind,
                         json_pack("{s:s, s:s}", "sandbox_id",
                                   made->sandbox ? wr_sandbox_id(made->sandbox) : "", "error",
                                   err->msg));
}

/* ---- creating ---- */

static struct wr_reset_opts reset_opts(const struct wr_pool *pool)
{
    const struct wr_sandbox_opts *sandbox = &pool->maker.tmpl.opts;

    return (struct wr_reset_opts){.volumes = sandbox->volumes,
                                  .volume_count = sandbox->volume_count,
                                  .wait = {.timeout_ms = pool->maker.create_timeout_ms}};
}

/* Without a baseline the sandbox serves once, as in a pool that replaces all. */
static void take_baseline(struct wr_pool_entry *entry, const struct wr_made *made)
{
    const struct wr_reset_opts opts = reset_opts(entry->pool);
    struct wr_reset_baseline *baseline = NULL;
    struct wr_error err = {0};

    if (!entry->pool->reset_in_place)
        return;
    if (wr_reset_baseline_take(made->sandbox, &opts, &baseline, &err) < 0)
        log_event(entry->pool, "warning", "pool_no_baseline", made, &err);
    wr_reset_baseline_free(entry->baseline);
    entry->baseline = baseline;
}

static void run_create(struct wr_job *job)
{
    struct wr_pool_entry *entry = wr_container_of(job, struct wr_pool_entry, job);
    struct wr_pool *pool = entry->pool;
    struct wr_made made = {0};
    struct wr_error err = {0};

    int r = wr_maker_create(&pool->maker, NULL, pool->timeout_s, &made, &err);
    if (r == 0)
        take_baseline(entry, &made);
    else
        log_event(pool, "warning", "pool_create_failed", &made, &err);
    (void)pthread_mutex_lock(&pool->lock);
    if (r == 0) {
        entry->made = made;
        set_alive(entry, made.made_ms);
        pool->failures = 0;
        pool->create_after_ms = 0;
        offer(entry);
    } else {
        wr_pool_create_failed(pool, &err);
        wr_pool_forget(entry);
    }
    wr_pool_plan(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

bool wr_pool_start_create(struct wr_pool *pool)
{
    struct wr_pool_entry *entry = wr_calloc(1, sizeof *entry);

    if (!entry)
        return false;
    entry->pool = pool;
    entry->number = ++pool->numbers;
    entry->state = WR_POOL_CREATING;
    entry->job.run = run_create;
    pool->count[WR_POOL_CREATING]++;
    wr_list_append(&pool->entries, &entry->link);
    wr_crew_submit(pool->maker.crew, &entry->job);
    return true;
}

/* ---- killing ---- */

static void run_kill(struct wr_job *job)
{
    struct wr_pool_entry *entry = wr_container_of(job, struct wr_pool_entry, job);
    struct wr_pool *pool = entry->pool;

    (void)pthread_mutex_lock(&pool->lock);
    struct wr_made made = entry->made;
    memset(&entry->made, 0, sizeof entry->made);
    (void)pthread_mutex_unlock(&pool->lock);
    wr_maker_kill(&pool->maker, &made);
    (void)pthread_mutex_lock(&pool->lock);
    entry->killed = true;
    wr_pool_forget(entry);
    wr_pool_made_room(pool);
    wr_pool_plan(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

void wr_pool_start_kill(struct wr_pool_entry *entry)
{
    entry->job.run = run_kill;
    wr_crew_submit(entry->pool->maker.crew, &entry->job);
}

/* ---- cleaning ---- */

/* The setup is part of what a new sandbox looks like: it runs again, and is the new baseline. */
static int clean(struct wr_pool_entry *entry, struct wr_error *err)
{
    struct wr_maker *maker = &entry->pool->maker;
    const struct wr_reset_opts opts = reset_opts(entry->pool);

    int r = wr_reset_in_place(entry->made.sandbox, entry->baseline, &opts, err);
    if (r < 0 || !maker->setup)
        return r;
    r = wr_maker_setup(maker, entry->made.sandbox, &opts.wait, err);
    if (r == 0)
        take_baseline(entry, &entry->made);
    return r;
}

static void run_reset(struct wr_job *job)
{
    struct wr_pool_entry *entry = wr_container_of(job, struct wr_pool_entry, job);
    struct wr_pool *pool = entry->pool;
    struct wr_error err = {0};

    int r = clean(entry, &err);
    if (r < 0)
        log_event(pool, "info", "pool_reset_refused", &entry->made, &err);
    (void)pthread_mutex_lock(&pool->lock);
    pool->resets += r == 0;
    pool->resets_refused += r < 0;
    if (r == 0)
        offer(entry);
    else
        wr_pool_end(entry);
    wr_pool_plan(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

void wr_pool_start_reset(struct wr_pool_entry *entry)
{
    wr_pool_set_state(entry, WR_POOL_RESETTING);
    entry->job.run = run_reset;
    wr_crew_submit(entry->pool->maker.crew, &entry->job);
}

/* ---- asking ---- */

/* Asking whether it lives and telling that it shall live on is one call. */
static void run_check(struct wr_job *job)
{
    struct wr_pool_entry *entry = wr_container_of(job, struct wr_pool_entry, check);
    struct wr_pool *pool = entry->pool;
    struct wr_error err = {0};

    (void)pthread_mutex_lock(&pool->lock);
    struct wr_sandbox *sandbox = wr_sandbox_ref(entry->made.sandbox);
    (void)pthread_mutex_unlock(&pool->lock);
    uint64_t asked_ms = wr_maker_now_ms(&pool->maker);
    int r = 0;
    if (sandbox) /* else it was killed meanwhile */
        r = wr_sandbox_set_timeout(sandbox, pool->timeout_s,
                                   &(struct wr_wait){.timeout_ms = CHECK_TIMEOUT_MS}, &err);
    wr_sandbox_free(sandbox);
    bool gone = r < 0 && (err.code == WR_E_NOT_FOUND || err.code == WR_E_ABORTED);
    (void)pthread_mutex_lock(&pool->lock);
    entry->checking = false;
    if (entry->killed)
        wr_pool_forget(entry);
    else if (gone && entry->state == WR_POOL_IDLE)
        wr_pool_end(entry);
    else if (r == 0)
        set_alive(entry, asked_ms);
    else
        entry->check_ms = wr_maker_now_ms(&pool->maker) + WR_MIN(pool->health_ms, CHECK_AGAIN_MS);
    wr_pool_plan(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

void wr_pool_start_check(struct wr_pool_entry *entry)
{
    entry->checking = true;
    entry->check.run = run_check;
    wr_crew_submit(entry->pool->maker.crew, &entry->check);
}
