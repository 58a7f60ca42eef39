#include "server/blanks.h"

#include <errno.h>

#include "base/alloc.h"
#include "log/log.h"
#include "server/blank.h"
#include "server/server.h"

/* Nothing was created for so long: making one takes the core that a request may need. */
#define QUIET_MS    10
/* Creations that follow each other without end do not keep a pool empty for longer than this. */
#define PATIENCE_MS 100

/* ---- when ---- */

/* How long to wait before the pool may have one more; UINT64_MAX when it needs none. */
static uint64_t wait_of(struct wr_blank_pool *pool, uint64_t now_ms)
{
    const struct wr_blanks *blanks = pool->blanks;
    uint64_t quiet_at_ms = blanks->busy_ms + QUIET_MS;

    if (pool->count >= pool->target)
        return UINT64_MAX;
    if (pool->short_since_ms == 0)
        pool->short_since_ms = now_ms;
    if (now_ms < pool->retry_at_ms)
        return pool->retry_at_ms - now_ms;
    if (wr_engine_pending(blanks->server->engine) > 0)
        return QUIET_MS;
    if (now_ms - pool->short_since_ms >= PATIENCE_MS || now_ms >= quiet_at_ms)
        return 0;
    return quiet_at_ms - now_ms;
}

static void on_timer(struct wr_timer *timer, void *data)
{
    struct wr_blanks *blanks = data;
    uint64_t now_ms = wr_loop_now_ms(blanks->server->loop), soonest_ms = UINT64_MAX;

    (void)timer;
    if (!blanks->running || blanks->making || blanks->server->draining)
        return;
    for (size_t i = 0; i < blanks->pool_count; i++) {
        uint64_t wait_ms = wait_of(&blanks->pools[i], now_ms);
        if (wait_ms == 0) {
            /* What becomes of it makes the next plan. */
            wr_blank_make(&blanks->pools[i]);
            return;
        }
        soonest_ms = WR_MIN(soonest_ms, wait_ms);
    }
    if (soonest_ms != UINT64_MAX)
        wr_blanks_plan(blanks, soonest_ms);
}

void wr_blanks_plan(struct wr_blanks *blanks, uint64_t delay_ms)
{
    struct wr_error error = {0};

    if (blanks->running && !blanks->making &&
        wr_timer_start(blanks->server->loop, &blanks->timer, delay_ms, on_timer, blanks, &error) <
            0)
        wr_log(WR_LOG_ERROR, "no more blank sandboxes: there is no timer", "error", error.msg,
               NULL);
}

void wr_blanks_wait(struct wr_blanks *blanks)
{
    blanks->busy_ms = wr_loop_now_ms(blanks->server->loop);
}

void wr_blanks_start(struct wr_blanks *blanks)
{
    blanks->running = blanks->pool_count > 0;
    wr_blanks_plan(blanks, QUIET_MS);
}

/* ---- all of them ---- */

int wr_blanks_new(struct wr_server *server, struct wr_blanks **ret, struct wr_error *err)
{
    const struct wr_server_config *config = server->config;
    struct wr_blanks *blanks = wr_calloc(1, sizeof *blanks);

    if (!blanks)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blank sandboxes");
    blanks->server = server;
    wr_list_init(&blanks->all);
    for (size_t i = 0; i < config->blank_pool_count; i++)
        blanks->pools[blanks->pool_count++] =
            (struct wr_blank_pool){.blanks = blanks,
                                   .template_name = config->blank_pools[i].template_name,
                                   .target = config->blank_pools[i].count};
    *ret = blanks;
    return 0;
}

void wr_blanks_forget(struct wr_blanks *blanks)
{
    blanks->running = false;
    wr_timer_stop(&blanks->timer);
    wr_list_foreach(it, &blanks->all) {
        struct wr_blank *blank = wr_list_entry(it, struct wr_blank, link);
        /* An assignment that is under way learns it from the engine. */
        if (wr_blank_counts(blank))
            wr_blank_let_go(blank);
    }
}

void wr_blanks_stop(struct wr_blanks *blanks)
{
    blanks->running = false;
    wr_timer_stop(&blanks->timer);
    wr_list_foreach(it, &blanks->all) {
        struct wr_blank *blank = wr_list_entry(it, struct wr_blank, link);
        if (wr_blank_counts(blank))
            wr_blank_discard(blank);
    }
}

struct wr_blanks *wr_blanks_free(struct wr_blanks *blanks)
{
    if (!blanks)
        return NULL;
    wr_blanks_forget(blanks);
    free(blanks);
    return NULL;
}

void wr_blanks_gone(struct wr_blanks *blanks, const char *id)
{
    wr_list_foreach(it, &blanks->all) {
        struct wr_blank *blank = wr_list_entry(it, struct wr_blank, link);
        if (!blank->sandbox || !wr_streq(blank->sandbox->id, id))
            continue;
        /* An assignment fails by its agent or the engine. */
        if (blank->state == WR_BLANK_PREPARING) {
            struct wr_error error = {0};
            (void)wr_fail(&error, WR_E_INTERNAL, 0, "it ended while it prepared itself");
            wr_blank_failed(blank, &error);
        } else if (blank->state == WR_BLANK_READY) {
            struct wr_blank_pool *pool = blank->pool;
            wr_log(WR_LOG_WARN, "a blank sandbox has ended", "sandbox", id, NULL);
            wr_blank_let_go(blank);
            wr_blanks_plan(pool->blanks, QUIET_MS);
        }
        return;
    }
}

size_t wr_blanks_count(const struct wr_blanks *blanks)
{
    size_t count = 0;

    for (size_t i = 0; i < blanks->pool_count; i++)
        count += blanks->pools[i].count;
    return count;
}

size_t wr_blanks_ending(const struct wr_blanks *blanks)
{
    size_t count = blanks->ending;

    wr_list_foreach(it, &blanks->all)
        count += wr_list_entry(it, struct wr_blank, link)->state == WR_BLANK_ENDED;
    return count;
}

struct wr_sandbox *wr_blanks_find(const struct wr_blanks *blanks, const char *id)
{
    wr_list_foreach(it, &blanks->all) {
        const struct wr_blank *blank = wr_list_entry(it, struct wr_blank, link);
        if (blank->sandbox && wr_streq(blank->sandbox->id, id))
            return blank->sandbox;
    }
    return NULL;
}
