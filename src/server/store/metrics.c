#include "base/str.h"
#include "server/store/database.h"

/*
 * A sample stays 1 h; the first one in each 30 s of the clock 6 h; the first one in each 300 s 24 h
 * (store.c): just what the API shows at these distances. Which of them a sample is follows from
 * what is there already. Samples of a sandbox that was removed while they waited are left out.
 */
static const char metric_insert[] =
    "INSERT INTO metrics (sandbox_id, at_ms, step_s, cpu_used_pct, cpu_count, mem_used, mem_total, "
    "mem_cache, disk_used, disk_total) "
    "SELECT ?1, ?2, CASE"
    " WHEN NOT EXISTS (SELECT 1 FROM metrics WHERE sandbox_id = ?1"
    "  AND at_ms BETWEEN ?2 - ?2 % 300000 AND ?2) THEN 300"
    " WHEN NOT EXISTS (SELECT 1 FROM metrics WHERE sandbox_id = ?1"
    "  AND at_ms BETWEEN ?2 - ?2 % 30000 AND ?2) THEN 30"
    " ELSE 5 END, ?3, ?4, ?5, ?6, ?7, ?8, ?9 "
    "WHERE EXISTS (SELECT 1 FROM sandboxes WHERE id = ?1) "
    "ON CONFLICT (sandbox_id, at_ms) DO NOTHING";
static const char metric_range[] =
    "SELECT at_ms, cpu_used_pct, cpu_count, mem_used, mem_total, mem_cache, disk_used, disk_total "
    "FROM metrics WHERE sandbox_id = ?1 AND at_ms BETWEEN ?2 AND ?3 ORDER BY at_ms";
static const char metric_latest[] =
    "SELECT at_ms, cpu_used_pct, cpu_count, mem_used, mem_total, mem_cache, disk_used, disk_total "
    "FROM metrics WHERE sandbox_id = ?1 ORDER BY at_ms DESC LIMIT 1";

static int add(struct wr_store *store, const struct wr_metric *m, struct wr_error *err)
{
    return wr_db_run(store, metric_insert,
                     WR_VALUES(WR_TEXT(m->sandbox_id), WR_INT(m->at_ms), WR_REAL(m->cpu_used_pct),
                               WR_INT(m->cpu_count), WR_INT(m->mem_used), WR_INT(m->mem_total),
                               WR_INT(m->mem_cache), WR_INT(m->disk_used), WR_INT(m->disk_total)),
                     NULL, err);
}

int wr_store_metrics_add(struct wr_store *store, const struct wr_metric *samples, size_t count,
                         struct wr_error *err)
{
    int r = wr_db_begin(store, err);

    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add(store, &samples[i], err);
    return wr_db_end(store, r, err);
}

/* `out` has its sandbox_id. */
static void read_row(sqlite3_stmt *stmt, struct wr_metric *out)
{
    out->at_ms = wr_db_u64(stmt, 0);
    out->cpu_used_pct = sqlite3_column_double(stmt, 1);
    out->cpu_count = (uint32_t)wr_db_u64(stmt, 2);
    out->mem_used = wr_db_u64(stmt, 3);
    out->mem_total = wr_db_u64(stmt, 4);
    out->mem_cache = wr_db_u64(stmt, 5);
    out->disk_used = wr_db_u64(stmt, 6);
    out->disk_total = wr_db_u64(stmt, 7);
}

int wr_store_metrics_read(struct wr_store *store, const struct wr_metrics_query *query,
                          void (*fn)(const struct wr_metric *metric, void *data), void *data,
                          struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_metric metric = {0};
    uint64_t step_ms = (uint64_t)WR_MAX(query->step_s, 1u) * 1000, step = UINT64_MAX;

    if (!wr_strcopy(metric.sandbox_id, sizeof metric.sandbox_id, query->of_id))
        return 0;
    int r = wr_db_start(
        store, metric_range,
        WR_VALUES(WR_TEXT(query->of_id), WR_INT(query->start_ms), WR_INT(query->end_ms)), &stmt,
        err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        read_row(stmt, &metric);
        if (metric.at_ms / step_ms != step)
            fn(&metric, data);
        step = metric.at_ms / step_ms;
        r = 0;
    }
    return r;
}

int wr_store_metrics_latest(struct wr_store *store, const char *sandbox_id, struct wr_metric *ret,
                            struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_metric metric = {0};

    if (!wr_strcopy(metric.sandbox_id, sizeof metric.sandbox_id, sandbox_id))
        return 0;
    int r = wr_db_start(store, metric_latest, WR_VALUES(WR_TEXT(sandbox_id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r > 0) {
        read_row(stmt, &metric);
        *ret = metric;
    }
    return r;
}
