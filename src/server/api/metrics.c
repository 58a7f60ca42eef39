#include "server/api/metrics.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/op.h"
#include "server/api/time_range.h"
#include "server/server.h"
#include "server/stats.h"

/* One day in steps of 5 s, at 300 bytes each, is 5 MB. */
#define METRICS_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define MAX_IDS           100

/* ---- shapes ---- */

static void write_metric(struct wr_jw *w, const struct wr_metric *m)
{
    wr_time_write(w, m->at_ms);
    wr_jw_ku64(w, "cpuCount", m->cpu_count);
    wr_jw_key(w, "cpuUsedPct");
    wr_jw_double(w, m->cpu_used_pct, 2);
    wr_jw_ku64(w, "memUsed", m->mem_used);
    wr_jw_ku64(w, "memTotal", m->mem_total);
    wr_jw_ku64(w, "memCache", m->mem_cache);
    wr_jw_ku64(w, "diskUsed", m->disk_used);
    wr_jw_ku64(w, "diskTotal", m->disk_total);
}

static void append_metric(const struct wr_metric *metric, void *data)
{
    wr_jw_object(data);
    write_metric(data, metric);
    wr_jw_end(data);
}

/* ---- now ---- */

static void reply_live(struct wr_exchange *ex, const struct wr_sandbox *sandbox,
                       const struct wr_stats *stats)
{
    wr_auto_buf body = WR_BUF(4096);
    const struct wr_metric metric = wr_stats_metric(sandbox, stats);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    wr_jw_object(&w);
    write_metric(&w, &metric);
    wr_jw_ku64(&w, "cpuUsedUsec", stats->cpu_usec);
    wr_jw_ku64(&w, "memPeak", stats->memory_peak_bytes);
    wr_jw_ku64(&w, "pids", stats->pids);
    wr_jw_ku64(&w, "oomKills", stats->oom_kills);
    wr_jw_end(&w);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

static void on_stats(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;
    struct wr_error own = {0};
    struct wr_stats stats = {0};

    if (!error && wr_stats_read(reply->json, &stats, &own) < 0)
        error = &own;
    const struct wr_sandbox *sandbox =
        op->ex && !error ? wr_api_find_running(op->server, op->ex, &op->who, op->id) : NULL;
    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (sandbox)
        reply_live(op->ex, sandbox, &stats);
    wr_api_op_end(op);
}

static void ask_live(const struct wr_api_request *request, struct wr_exchange *ex,
                     const struct wr_sandbox *sandbox)
{
    struct wr_api_op *op = wr_api_op_new(request, ex);
    struct wr_error error = {0};

    if (!op)
        return;
    memcpy(op->id, sandbox->id, sizeof sandbox->id);
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    op->busy = true;
    if (wr_stats_ask(request->server, sandbox->id, on_stats, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}

/* ---- recorded ---- */

static void reply_recorded(const struct wr_api_request *request, struct wr_exchange *ex,
                           const struct wr_sandbox *sandbox)
{
    uint64_t now_ms = wr_wall_ms();
    struct wr_time_range range = {.start_ms = sandbox->created_ms, .end_ms = now_ms};
    wr_auto_buf body = WR_BUF(METRICS_MAX_BYTES);
    struct wr_error error = {0};
    struct wr_jw w;

    int r = wr_time_range_read(ex, now_ms, &range, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    const struct wr_metrics_query query = {.of_id = sandbox->id,
                                           .start_ms = range.start_ms,
                                           .end_ms = range.end_ms,
                                           .step_s = wr_time_range_step_s(&range)};
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    r = wr_store_metrics_read(request->server->store, &query, append_metric, &w, &error);
    wr_jw_end(&w);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

void wr_api_metrics_sandbox(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const struct wr_sandbox *sandbox =
        wr_api_find(request->server, ex, &request->who, match->params[0]);
    struct wr_error error = {0};
    char live[8] = "";

    if (!sandbox)
        return;
    if (wr_exchange_query(ex, "live", live, sizeof live, &error) < 0)
        wr_api_fail(ex, &error);
    else if (!wr_streq(live, "true"))
        reply_recorded(request, ex, sandbox);
    else if (wr_api_find_running(request->server, ex, &request->who, match->params[0]))
        ask_live(request, ex, sandbox);
}

/* ---- many ---- */

/* "<id>: {...}" if the caller may see it and there is a sample. */
static int append_latest(const struct wr_api_request *request, struct wr_jw *w, const char *name,
                         struct wr_error *err)
{
    char id[WR_ID_LEN + 1] = "";
    struct wr_metric metric;

    if (strcspn(name, "-") != WR_ID_LEN)
        return 0;
    memcpy(id, name, WR_ID_LEN);
    const struct wr_sandbox *sandbox = wr_sandbox_table_find(request->server->sandboxes, id);
    if (!sandbox || sandbox->state != WR_SANDBOX_RUNNING ||
        !wr_principal_may_see(&request->who, sandbox->team_id))
        return 0;
    int r = wr_store_metrics_latest(request->server->store, id, &metric, err);
    if (r <= 0)
        return r;
    wr_jw_key(w, name);
    append_metric(&metric, w);
    return 0;
}

void wr_api_metrics_sandboxes(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    const struct wr_api_request *request = data;
    char ids[MAX_IDS * 2 * WR_ID_LEN];
    wr_auto_buf body = WR_BUF(METRICS_MAX_BYTES);
    struct wr_error error = {0};
    size_t count = 0;
    struct wr_jw w;

    (void)match;
    int r = wr_exchange_query(ex, "sandbox_ids", ids, sizeof ids, &error);
    if (r == 0 || (r > 0 && !*ids)) {
        wr_api_error(ex, 400, "sandbox_ids: which sandboxes, separated by commas");
        return;
    }
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_key(&w, "sandboxes");
    wr_jw_object(&w);
    for (char *rest = ids, *name; r >= 0 && (name = strsep(&rest, ","));) {
        if (++count > MAX_IDS)
            r = wr_fail(&error, WR_E_INVALID_ARGUMENT, 0, "sandbox_ids: at most %d", MAX_IDS);
        else
            r = append_latest(request, &w, name, &error);
    }
    wr_jw_end(&w);
    wr_jw_end(&w);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}
