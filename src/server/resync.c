#include "server/resync.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "log/log.h"
#include "server/egress/egress.h"
#include "server/engine_list.h"
#include "server/events.h"
#include "server/records.h"
#include "server/server.h"
#include "server/settings.h"

struct resync_op {
    struct wr_server *server;
    wr_done_fn fn;
    void *data;
};

/* ---- rows of the store ---- */

struct adoption {
    struct wr_server *server;
    const struct wr_record *seen;
    struct wr_error *err;
    struct wr_sandbox *sandbox; /* of the table, once it was made */
    bool row_paused;
    int r;
};

static bool copy_row(const struct wr_store_sandbox *row, struct wr_sandbox *sandbox)
{
    sandbox->deadline_ms = row->deadline_ms;
    sandbox->timeout_ms = row->timeout_ms;
    sandbox->unresponsive = row->unresponsive;
    sandbox->resume_at_start = row->resume_at_start;
    if (row->started_ms)
        sandbox->created_ms = row->started_ms;
    return wr_strcopy(sandbox->envd_token, sizeof sandbox->envd_token, row->envd_token) &&
           wr_strcopy(sandbox->traffic_token, sizeof sandbox->traffic_token, row->traffic_token) &&
           wr_strcopy(sandbox->control_token, sizeof sandbox->control_token, row->control_token) &&
           wr_strcopy(sandbox->snapshot_template, sizeof sandbox->snapshot_template,
                      row->snapshot_template) &&
           wr_strcopy(sandbox->snapshot_name, sizeof sandbox->snapshot_name, row->snapshot_name);
}

static void run(struct wr_server *server, struct wr_sandbox *sandbox)
{
    uint64_t now_ms = wr_wall_ms();

    /* Bounds what a row with a wrong clock can ask for. */
    sandbox->deadline_ms =
        WR_MIN(sandbox->deadline_ms, now_ms + (uint64_t)server->config->timeout_max_s * 1000);
    wr_lifecycle_arm(server, sandbox,
                     sandbox->deadline_ms > now_ms ? sandbox->deadline_ms - now_ms : 0);
    wr_egress_start(server, sandbox);
}

static void adopt(const struct wr_store_sandbox *row, void *data)
{
    const struct wr_cause cause = {.reason = "error"};
    struct adoption *a = data;
    struct wr_sandbox *sandbox = NULL;
    struct wr_error error = {0};

    a->r = wr_record_add(a->server, a->seen, row->team_id, &sandbox, a->err);
    if (a->r < 0)
        return;
    a->sandbox = sandbox;
    a->row_paused = row->paused;
    /* Without its tokens it would be open to everybody. */
    bool whole = copy_row(row, sandbox);
    if (wr_settings_read(row->settings, &sandbox->settings, &error) < 0)
        wr_log(WR_LOG_WARN, error.msg, "sandbox", sandbox->id, NULL);
    if (!whole)
        (void)!wr_lifecycle_kill(a->server, sandbox, &cause, NULL, NULL, &error);
    else if (sandbox->state == WR_SANDBOX_RUNNING)
        run(a->server, sandbox);
}

/* A server that ended between the engine's answer and the row. */
static void correct_row(struct wr_server *server, const struct adoption *adoption)
{
    const struct wr_sandbox *sandbox = adoption->sandbox;
    bool paused = sandbox->state == WR_SANDBOX_PAUSED;
    struct wr_error error = {0};

    if (paused == adoption->row_paused || sandbox->state == WR_SANDBOX_KILLING)
        return;
    int r = paused ? wr_store_sandbox_paused(server->store, sandbox->id, false, &error)
                   : wr_store_sandbox_resumed(server->store, sandbox->id, sandbox->created_ms,
                                              sandbox->deadline_ms, &error);
    if (r < 0)
        wr_log(WR_LOG_WARN, "the row of a sandbox was not changed", "sandbox", sandbox->id, "error",
               error.msg, NULL);
}

/* A sandbox that the engine has and the table does not (a server that starts anew), or has already
 * (a new engine). */
static int merge_one(struct wr_server *server, const json_t *json, struct wr_error *err)
{
    struct wr_record seen;
    struct adoption adoption = {.server = server, .seen = &seen, .err = err};

    int r = wr_record_read(json, &seen, err);
    if (r < 0)
        return r;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, seen.id);
    if (sandbox) {
        sandbox->seen = true;
        if (sandbox->state == WR_SANDBOX_KILLING)
            wr_lifecycle_arm(server, sandbox, 0);
        wr_pausing_found(server, sandbox, &seen);
        return 0;
    }
    r = wr_store_sandbox_get(server->store, seen.id, adopt, &adoption, err);
    if (r == -WR_E_NOT_FOUND) {
        wr_log(WR_LOG_WARN, "a half-made sandbox is killed", "sandbox", seen.id, NULL);
        wr_lifecycle_kill_orphan(server, seen.id);
        return 0;
    }
    if (r == 0)
        r = adoption.r;
    if (r == 0)
        correct_row(server, &adoption);
    return r;
}

static void drop_unseen(struct wr_server *server)
{
    struct wr_cause cause = {.reason = "lost"};

    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (!sandbox->seen)
            wr_lifecycle_ended(server, sandbox, &cause);
    }
}

struct rows {
    struct wr_server *server;
    char (*ids)[WR_ID_LEN + 1]; /* owned */
    size_t count, cap;
};

static void note_row(const char *id, void *data)
{
    struct rows *rows = data;

    if (rows->count < rows->cap && !wr_sandbox_table_find(rows->server->sandboxes, id) &&
        wr_strcopy(rows->ids[rows->count], sizeof rows->ids[0], id))
        rows->count++;
}

static void note_team(const struct wr_store_sandbox *row, void *data)
{
    char *team_id = data;

    (void)!wr_strcopy(team_id, WR_UUID_LEN + 1, row->team_id);
}

/* Rows without a sandbox: it ended while no server was there. More than fit are left for the next
 * start. */
static int drop_rows(struct wr_server *server, struct wr_error *err)
{
    struct wr_cause cause = {.reason = "lost"};
    struct rows rows = {.server = server, .cap = WR_SERVER_MAX_SANDBOXES + WR_SERVER_MAX_PAUSED};
    struct wr_error ignored = {0};

    rows.ids = wr_calloc(rows.cap, sizeof rows.ids[0]);
    if (!rows.ids)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of sandboxes");
    int r = wr_store_sandbox_each_id(server->store, note_row, &rows, err);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        char team_id[WR_UUID_LEN + 1] = "";
        if (wr_store_sandbox_get(server->store, rows.ids[i], note_team, team_id, &ignored) == 0)
            wr_event(server, rows.ids[i], team_id, "killed", &cause);
        r = wr_store_sandbox_remove(server->store, rows.ids[i], err);
    }
    free(rows.ids);
    return r;
}

/* ---- the engine's list ---- */

static int take(void *data, const char *id, const json_t *entry, struct wr_error *err)
{
    (void)id;
    return merge_one(((const struct resync_op *)data)->server, entry, err);
}

static void done(const struct wr_error *error, void *data)
{
    struct resync_op *op = data;
    struct wr_error own = {0};

    if (!error) {
        drop_unseen(op->server);
        if (drop_rows(op->server, &own) < 0)
            error = &own;
    }
    op->fn(error, op->data);
    free(op);
}

int wr_resync(struct wr_server *server, wr_done_fn fn, void *data, struct wr_error *err)
{
    static const struct wr_engine_list list = {.action = WR_ACTION_LIST,
                                               .name = "sandboxes",
                                               .id_field = "id",
                                               .id_valid = wr_id_valid,
                                               .take = take,
                                               .done = done};
    struct resync_op *op = wr_calloc(1, sizeof *op);

    if (!op)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of sandboxes");
    op->server = server;
    op->fn = fn;
    op->data = data;
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes))
        wr_list_entry(it, struct wr_sandbox, link)->seen = false;
    int r = wr_engine_list(server, &list, op, err);
    if (r < 0)
        free(op);
    return r;
}
