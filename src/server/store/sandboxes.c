#include "server/store/database.h"

static const char sandbox_insert[] =
    "INSERT INTO sandboxes (id, team_id, envd_token, traffic_token, deadline_ms, settings, "
    "control_token, env, timeout_ms, started_ms, parent_snapshot, snapshot_template, "
    "snapshot_name) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
static const char sandbox_deadline[] = "UPDATE sandboxes SET deadline_ms = ?2 WHERE id = ?1";
static const char sandbox_settings[] = "UPDATE sandboxes SET settings = ?2 WHERE id = ?1";
static const char sandbox_paused[] =
    "UPDATE sandboxes SET paused = 1, unresponsive = ?2 WHERE id = ?1";
static const char sandbox_resumed[] =
    "UPDATE sandboxes SET started_ms = ?2, deadline_ms = ?3, paused = 0, unresponsive = 0, "
    "resume_at_start = 0 WHERE id = ?1";
static const char sandbox_resume_at_start[] =
    "UPDATE sandboxes SET resume_at_start = ?2 WHERE id = ?1";
static const char sandbox_delete[] = "DELETE FROM sandboxes WHERE id = ?1";
static const char sandbox_metrics_delete[] = "DELETE FROM metrics WHERE sandbox_id = ?1";
static const char sandbox_by_id[] =
    "SELECT id, team_id, envd_token, traffic_token, deadline_ms, settings, control_token, env, "
    "timeout_ms, started_ms, unresponsive, resume_at_start, parent_snapshot, snapshot_template, "
    "snapshot_name, paused FROM sandboxes WHERE id = ?1";
static const char sandbox_ids[] = "SELECT id FROM sandboxes ORDER BY id";

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static int not_found(const char *id, struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "sandbox '%.40s' is not recorded", id);
}

int wr_store_sandbox_add(struct wr_store *store, const struct wr_store_sandbox *sandbox,
                         struct wr_error *err)
{
    int r = wr_db_run(
        store, sandbox_insert,
        WR_VALUES(WR_TEXT(sandbox->id), WR_TEXT(sandbox->team_id), WR_TEXT(sandbox->envd_token),
                  WR_TEXT(sandbox->traffic_token), WR_INT(sandbox->deadline_ms),
                  WR_TEXT(sandbox->settings), WR_TEXT(or_empty(sandbox->control_token)),
                  WR_TEXT(sandbox->env ? sandbox->env : "{}"), WR_INT(sandbox->timeout_ms),
                  WR_INT(sandbox->started_ms), WR_TEXT(or_empty(sandbox->parent_snapshot)),
                  WR_TEXT(or_empty(sandbox->snapshot_template)),
                  WR_TEXT(or_empty(sandbox->snapshot_name))),
        NULL, err);
    if (r == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "team '%.40s' not found", sandbox->team_id);
    if (r == -WR_E_ALREADY_EXISTS)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "sandbox '%.40s' is recorded already",
                       sandbox->id);
    return r;
}

/* A statement that has to touch the row of `id`. */
static int change(struct wr_store *store, const char *sql, const char *id,
                  struct wr_sql_value value, struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run(store, sql, WR_VALUES(WR_TEXT(id), value), &changed, err);
    return r == 0 && changed == 0 ? not_found(id, err) : r;
}

int wr_store_sandbox_set_deadline(struct wr_store *store, const char *id, uint64_t deadline_ms,
                                  struct wr_error *err)
{
    return change(store, sandbox_deadline, id, WR_INT(deadline_ms), err);
}

int wr_store_sandbox_set_settings(struct wr_store *store, const char *id, const char *settings,
                                  struct wr_error *err)
{
    return change(store, sandbox_settings, id, WR_TEXT(settings), err);
}

int wr_store_sandbox_paused(struct wr_store *store, const char *id, bool unresponsive,
                            struct wr_error *err)
{
    return change(store, sandbox_paused, id, WR_INT(unresponsive), err);
}

int wr_store_sandbox_resumed(struct wr_store *store, const char *id, uint64_t started_ms,
                             uint64_t deadline_ms, struct wr_error *err)
{
    uint64_t changed = 0;

    int r =
        wr_db_run(store, sandbox_resumed,
                  WR_VALUES(WR_TEXT(id), WR_INT(started_ms), WR_INT(deadline_ms)), &changed, err);
    return r == 0 && changed == 0 ? not_found(id, err) : r;
}

int wr_store_sandbox_resume_at_start(struct wr_store *store, const char *id, bool resume,
                                     struct wr_error *err)
{
    return change(store, sandbox_resume_at_start, id, WR_INT(resume), err);
}

int wr_store_sandbox_remove(struct wr_store *store, const char *id, struct wr_error *err)
{
    int r = wr_db_begin(store, err);

    if (r < 0)
        return r;
    r = wr_db_run(store, sandbox_delete, WR_VALUES(WR_TEXT(id)), NULL, err);
    if (r == 0)
        r = wr_db_run(store, sandbox_metrics_delete, WR_VALUES(WR_TEXT(id)), NULL, err);
    return wr_db_end(store, r, err);
}

int wr_store_sandbox_get(struct wr_store *store, const char *id,
                         void (*fn)(const struct wr_store_sandbox *sandbox, void *data), void *data,
                         struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, sandbox_by_id, WR_VALUES(WR_TEXT(id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return not_found(id, err);
    if (r < 0)
        return r;
    const struct wr_store_sandbox sandbox = {
        .id = wr_db_text(stmt, 0),
        .team_id = wr_db_text(stmt, 1),
        .envd_token = wr_db_text(stmt, 2),
        .traffic_token = wr_db_text(stmt, 3),
        .deadline_ms = wr_db_u64(stmt, 4),
        .settings = wr_db_text(stmt, 5),
        .control_token = wr_db_text(stmt, 6),
        .env = wr_db_text(stmt, 7),
        .timeout_ms = wr_db_u64(stmt, 8),
        .started_ms = wr_db_u64(stmt, 9),
        .unresponsive = wr_db_u64(stmt, 10) != 0,
        .resume_at_start = wr_db_u64(stmt, 11) != 0,
        .parent_snapshot = wr_db_text(stmt, 12),
        .snapshot_template = wr_db_text(stmt, 13),
        .snapshot_name = wr_db_text(stmt, 14),
        .paused = wr_db_u64(stmt, 15) != 0,
    };
    fn(&sandbox, data);
    return 0;
}

int wr_store_sandbox_each_id(struct wr_store *store, void (*fn)(const char *id, void *data),
                             void *data, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, sandbox_ids, WR_NO_VALUES, &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        fn(wr_db_text(stmt, 0), data);
        r = 0;
    }
    return r;
}
