#include "server/store/database.h"

/* ?1 now, ?2 the last event that was counted before, ?3 the last one now, ?4 seconds between. */
static const char team_sample[] =
    "WITH starts AS (SELECT team_id, count(*) AS n FROM events WHERE id > ?2 AND id <= ?3 AND "
    "type = 'sandbox.lifecycle.created' GROUP BY team_id), "
    "now AS (SELECT t.id AS team_id, (SELECT count(*) FROM sandboxes WHERE team_id = t.id AND paused = 0) AS "
    "sandboxes, coalesce((SELECT n FROM starts WHERE team_id = t.id), 0) AS starts FROM teams t) "
    "INSERT INTO team_metrics (team_id, at_ms, sandboxes, starts_per_s) "
    "SELECT team_id, ?1, sandboxes, starts / ?4 FROM now WHERE sandboxes > 0 OR starts > 0 OR "
    "coalesce((SELECT m.sandboxes > 0 OR m.starts_per_s > 0 FROM team_metrics m WHERE m.team_id = "
    "now.team_id ORDER BY m.at_ms DESC LIMIT 1), 0) "
    "ON CONFLICT (team_id, at_ms) DO NOTHING";
static const char last_event[] = "SELECT coalesce(max(id), 0) FROM events";
static const char team_range[] = "SELECT at_ms, sandboxes, starts_per_s FROM team_metrics "
                                 "WHERE team_id = ?1 AND at_ms BETWEEN ?2 AND ?3 ORDER BY at_ms";

static int read_last_event(struct wr_store *store, uint64_t *ret, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, last_event, WR_NO_VALUES, &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r <= 0)
        return r;
    *ret = wr_db_u64(stmt, 0);
    return 0;
}

int wr_store_team_metrics_sample(struct wr_store *store, uint64_t now_ms, struct wr_error *err)
{
    uint64_t last_ms = store->team_sampled_ms, event_id = 0;

    int r = read_last_event(store, &event_id, err);
    if (r == 0 && last_ms != 0 && last_ms < now_ms)
        r = wr_db_run(store, team_sample,
                      WR_VALUES(WR_INT(now_ms), WR_INT(store->team_event_id), WR_INT(event_id),
                                WR_REAL((double)(now_ms - last_ms) / 1000.0)),
                      NULL, err);
    if (r == 0) {
        store->team_sampled_ms = now_ms;
        store->team_event_id = event_id;
    }
    return r;
}

int wr_store_team_metrics_read(struct wr_store *store, const struct wr_metrics_query *query,
                               void (*fn)(const struct wr_team_metric *metric, void *data),
                               void *data, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_team_metric metric;
    uint64_t step_ms = (uint64_t)WR_MAX(query->step_s, 1u) * 1000, step = UINT64_MAX;

    int r = wr_db_start(
        store, team_range,
        WR_VALUES(WR_TEXT(query->of_id), WR_INT(query->start_ms), WR_INT(query->end_ms)), &stmt,
        err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        metric = (struct wr_team_metric){wr_db_u64(stmt, 0), wr_db_u64(stmt, 1),
                                         sqlite3_column_double(stmt, 2)};
        if (metric.at_ms / step_ms != step)
            fn(&metric, data);
        step = metric.at_ms / step_ms;
        r = 0;
    }
    return r;
}
