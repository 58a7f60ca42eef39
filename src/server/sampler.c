#include "server/sampler.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "log/log.h"
#include "server/server.h"
#include "server/stats.h"

#define TICK_MS       1000
#define FIRST_MS      500   /* after a tick has seen a new sandbox: the next one samples it */
#define EXPIRE_MS     60000 /* while there is something left to remove: each tick */
#define ROUND_MAX     512   /* sandboxes in one round and one transaction */
#define ASKED_AT_ONCE 4     /* of the engine, which takes about 130 us for each */

struct wr_sampler {
    struct wr_server *server;
    struct wr_timer timer;
    /* The round that is running: who is in it, how many were asked, how many have answered. */
    char ids[ROUND_MAX][WR_ID_LEN + 1];
    size_t count, asked, answered;
    struct wr_metric samples[ROUND_MAX];
    size_t sample_count;
    uint64_t teams_due_ms, expire_due_ms; /* monotonic */
    struct wr_log_limit log_limit;
};

/* One question; finds its sandbox again by the id. */
struct question {
    struct wr_sampler *sampler;
    char id[WR_ID_LEN + 1];
};

static void complain(struct wr_sampler *sampler, const char *what, const struct wr_error *error)
{
    wr_log_limited(&sampler->log_limit, WR_LOG_WARN, what, "error", error->msg, NULL);
}

/* ---- one round ---- */

static void take_sample(struct wr_sampler *sampler, struct wr_sandbox *sandbox,
                        const struct wr_stats *stats)
{
    sampler->samples[sampler->sample_count++] = wr_stats_metric(sandbox, stats);
    sandbox->cpu_usec = stats->cpu_usec;
    sandbox->cpu_usec_at_us = wr_mono_us();
}

/* Without an engine the rest of the round is left out. A sandbox that is gone is nobody's mistake.
 */
static void go_on_after(struct wr_sampler *sampler, const struct wr_error *error)
{
    if (error->code == WR_E_UNAVAILABLE)
        sampler->count = sampler->asked;
    else if (error->code != WR_E_NOT_FOUND)
        complain(sampler, "a sandbox was not measured", error);
}

static void ask_more(struct wr_sampler *sampler);

static void on_stats(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct question *question = data;
    struct wr_sampler *sampler = question->sampler;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(sampler->server->sandboxes, question->id);
    struct wr_stats stats;
    struct wr_error own = {0};

    if (!error && wr_stats_read(reply->json, &stats, &own) < 0)
        error = &own;
    if (!error && sandbox && sandbox->state == WR_SANDBOX_RUNNING)
        take_sample(sampler, sandbox, &stats);
    if (error)
        go_on_after(sampler, error);
    free(question);
    sampler->answered++;
    ask_more(sampler);
}

static int ask(struct wr_sampler *sampler, const char *id, struct wr_error *err)
{
    struct question *question = wr_calloc(1, sizeof *question);

    if (!question)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sample of %s", id);
    question->sampler = sampler;
    memcpy(question->id, id, sizeof question->id);
    int r = wr_stats_ask(sampler->server, id, on_stats, question, err);
    if (r < 0)
        free(question);
    return r;
}

static void arm(struct wr_sampler *sampler, uint64_t delay_ms);

static void store_samples(struct wr_sampler *sampler)
{
    struct wr_error error = {0};
    bool full = sampler->count == ROUND_MAX;

    if (sampler->sample_count > 0 && wr_store_metrics_add(sampler->server->store, sampler->samples,
                                                          sampler->sample_count, &error) < 0)
        complain(sampler, "samples were not stored", &error);
    sampler->sample_count = sampler->count = sampler->asked = sampler->answered = 0;
    if (full)
        arm(sampler, 0);
}

/* Up to ASKED_AT_ONCE questions are under way; after the last answer everything is stored. */
static void ask_more(struct wr_sampler *sampler)
{
    struct wr_error error = {0};

    while (sampler->asked < sampler->count && sampler->asked - sampler->answered < ASKED_AT_ONCE) {
        if (ask(sampler, sampler->ids[sampler->asked++], &error) < 0) {
            sampler->answered++;
            go_on_after(sampler, &error);
        }
    }
    if (sampler->answered == sampler->count)
        store_samples(sampler);
}

/* Those whose time has come; those above ROUND_MAX are in the next one, which follows at once. */
static void start_round(struct wr_sampler *sampler)
{
    uint64_t now_ms = wr_loop_now_ms(sampler->server->loop);

    wr_list_foreach(it, wr_sandbox_table_all(sampler->server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (sandbox->state != WR_SANDBOX_RUNNING)
            continue;
        if (sandbox->sample_due_ms == 0)
            sandbox->sample_due_ms = now_ms + FIRST_MS;
        if (sandbox->sample_due_ms > now_ms)
            continue;
        if (sampler->count == ROUND_MAX)
            break;
        /* Not to be late for ever after a pause of the process. */
        sandbox->sample_due_ms =
            WR_MAX(sandbox->sample_due_ms + WR_SAMPLE_MS, now_ms + WR_SAMPLE_MS - TICK_MS);
        memcpy(sampler->ids[sampler->count++], sandbox->id, sizeof sandbox->id);
    }
    ask_more(sampler);
}

/* ---- the clock ---- */

static void sample_teams(struct wr_sampler *sampler, uint64_t now_ms)
{
    struct wr_error error = {0};

    if (now_ms < sampler->teams_due_ms)
        return;
    sampler->teams_due_ms = now_ms + WR_SAMPLE_MS;
    wr_events_flush(sampler->server);
    if (wr_store_team_metrics_sample(sampler->server->store, wr_wall_ms(), &error) < 0)
        complain(sampler, "figures of teams were not stored", &error);
}

static void expire(struct wr_sampler *sampler, uint64_t now_ms)
{
    struct wr_error error = {0};

    if (now_ms < sampler->expire_due_ms)
        return;
    int r = wr_store_expire(sampler->server->store, wr_wall_ms(), &error);
    if (r < 0)
        complain(sampler, "old records were not removed", &error);
    sampler->expire_due_ms = now_ms + (r > 0 ? TICK_MS : EXPIRE_MS);
}

static void on_tick(struct wr_timer *timer, void *data)
{
    struct wr_sampler *sampler = data;
    uint64_t now_ms = wr_loop_now_ms(sampler->server->loop);

    (void)timer;
    arm(sampler, TICK_MS);
    if (sampler->count == 0)
        start_round(sampler);
    sample_teams(sampler, now_ms);
    expire(sampler, now_ms);
}

static void arm(struct wr_sampler *sampler, uint64_t delay_ms)
{
    struct wr_error error = {0};

    if (wr_timer_start(sampler->server->loop, &sampler->timer, delay_ms, on_tick, sampler, &error) <
        0)
        complain(sampler, "no more samples: there is no timer", &error);
}

int wr_sampler_new(struct wr_server *server, struct wr_sampler **ret, struct wr_error *err)
{
    struct wr_sampler *sampler = wr_calloc(1, sizeof *sampler);

    if (!sampler)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sampler");
    sampler->server = server;
    sampler->expire_due_ms = wr_loop_now_ms(server->loop) + EXPIRE_MS;
    int r = wr_timer_start(server->loop, &sampler->timer, TICK_MS, on_tick, sampler, err);
    if (r < 0) {
        free(sampler);
        return r;
    }
    *ret = sampler;
    return 0;
}

struct wr_sampler *wr_sampler_free(struct wr_sampler *sampler)
{
    if (!sampler)
        return NULL;
    sampler->count = 0;
    store_samples(sampler);
    wr_timer_stop(&sampler->timer);
    free(sampler);
    return NULL;
}
