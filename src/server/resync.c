#include "server/resync.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/egress/egress.h"
#include "server/events.h"
#include "server/records.h"
#include "server/server.h"
#include "server/settings.h"

struct resync_op {
    struct wr_server *server;
    wr_done_fn fn;
    void *data;
    char id[WR_ID_LEN + 1]; /* the last one that was read */
};

static int list_page(struct wr_server *server, const char *after, struct resync_op *op,
                     struct wr_error *err);

/* ---- rows of the store ---- */

struct adoption {
    struct wr_server *server;
    const struct wr_record *seen;
    struct wr_error *err;
    int r;
};

static void adopt(const struct wr_store_sandbox *row, void *data)
{
    struct adoption *a = data;
    struct wr_sandbox *sandbox = NULL;
    uint64_t now = wr_wall_ms();
    struct wr_error error = {0};

    a->r = wr_record_add(a->server, a->seen, row->team_id, &sandbox, a->err);
    if (a->r < 0)
        return;
    /* Also bounds what a row with a wrong clock can ask for. */
    sandbox->deadline_ms =
        WR_MIN(row->deadline_ms, now + (uint64_t)a->server->config->timeout_max_s * 1000);
    /* Without its tokens it would be open to everybody. */
    if (!wr_strcopy(sandbox->envd_token, sizeof sandbox->envd_token, row->envd_token) ||
        !wr_strcopy(sandbox->traffic_token, sizeof sandbox->traffic_token, row->traffic_token))
        sandbox->deadline_ms = now;
    if (wr_settings_read(row->settings, &sandbox->settings, &error) < 0)
        wr_log(WR_LOG_WARN, error.msg, "sandbox", sandbox->id, NULL);
    wr_lifecycle_arm(a->server, sandbox,
                     sandbox->deadline_ms > now ? sandbox->deadline_ms - now : 0);
    wr_egress_start(a->server, sandbox);
}

/* A sandbox that the engine has and the table does not (a server that starts anew), or has already
 * (a new engine). */
static int merge_one(struct wr_server *server, const json_t *json, char last_id[WR_ID_LEN + 1],
                     struct wr_error *err)
{
    struct wr_record seen;
    struct adoption adoption = {.server = server, .seen = &seen, .err = err};

    int r = wr_record_read(json, &seen, err);
    if (r < 0)
        return r;
    if (strcmp(seen.id, last_id) <= 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine's list is not in order");
    memcpy(last_id, seen.id, WR_ID_LEN + 1);

    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, seen.id);
    if (sandbox) {
        sandbox->seen = true;
        if (sandbox->state == WR_SANDBOX_KILLING)
            wr_lifecycle_arm(server, sandbox, 0);
        return 0;
    }
    r = wr_store_sandbox_get(server->store, seen.id, adopt, &adoption, err);
    if (r == -WR_E_NOT_FOUND) {
        wr_log(WR_LOG_WARN, "a half-made sandbox is killed", "sandbox", seen.id, NULL);
        wr_lifecycle_kill_orphan(server, seen.id);
        return 0;
    }
    return r < 0 ? r : adoption.r;
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
    struct rows rows = {.server = server, .cap = WR_SERVER_MAX_SANDBOXES};
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

static void finish_resync(struct resync_op *op, const struct wr_error *error)
{
    op->fn(error, op->data);
    free(op);
}

static void on_page(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct resync_op *op = data;
    struct wr_error own = {0};
    json_t *list = NULL, *item;
    bool more = false;
    size_t i;
    const struct wr_json_field fields[] = {
        {.name = "sandboxes",
         .kind = WR_JSON_ARRAY,
         .required = true,
         .ret = &list,
         .max = WR_ACTION_LIST_PAGE},
        {.name = "more", .kind = WR_JSON_BOOL, .ret = &more},
    };

    if (error) {
        finish_resync(op, error);
        return;
    }
    int r = wr_json_read(reply->json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &own);
    json_array_foreach(list, i, item) {
        if (r == 0)
            r = merge_one(op->server, item, op->id, &own);
    }
    /* An empty page that promises more would go on for ever. */
    if (r == 0 && more && json_array_size(list) > 0)
        r = list_page(op->server, op->id, op, &own);
    else if (r == 0) {
        drop_unseen(op->server);
        r = drop_rows(op->server, &own);
        if (r == 0) {
            finish_resync(op, NULL);
            return;
        }
    }
    if (r < 0)
        finish_resync(op, &own);
}

static int list_page(struct wr_server *server, const char *after, struct resync_op *op,
                     struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "after", after);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of sandboxes");
    return wr_record_call(server, WR_ACTION_LIST, &json, on_page, op, err);
}

int wr_resync(struct wr_server *server, wr_done_fn fn, void *data, struct wr_error *err)
{
    struct resync_op *op = wr_calloc(1, sizeof *op);

    if (!op)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of sandboxes");
    op->server = server;
    op->fn = fn;
    op->data = data;
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes))
        wr_list_entry(it, struct wr_sandbox, link)->seen = false;
    int r = list_page(server, "", op, err);
    if (r < 0)
        free(op);
    return r;
}
