#include "server/resync.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/owner.h"
#include "server/records.h"
#include "server/server.h"

struct resync_op {
    struct wr_server *server;
    wr_done_fn fn;
    void *data;
    char id[WR_ID_LEN + 1]; /* the last one that was read */
};

static int list_page(struct wr_server *server, const char *after, struct resync_op *op,
                     struct wr_error *err);

/* A sandbox that the engine has and the table does not (a server that starts anew), or has already
 * (a new engine). */
static int merge_one(struct wr_server *server, const json_t *json, char last_id[WR_ID_LEN + 1],
                     struct wr_error *err)
{
    struct wr_record seen;
    struct wr_error owner_error = {0};
    uint64_t now = wr_wall_ms();

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
    r = wr_record_add(server, &seen, &sandbox, err);
    if (r < 0)
        return r;
    if (!seen.owner ||
        wr_owner_read(seen.owner, &sandbox->deadline_ms, &sandbox->metadata, &owner_error) < 0) {
        wr_log(WR_LOG_WARN, "sandbox without a readable record, default timeout", "sandbox",
               seen.id, "error", owner_error.msg, NULL);
        sandbox->deadline_ms = now + WR_TIMEOUT_DEFAULT_S * 1000;
    }
    /* Also bounds what a record with a wrong clock can ask for. */
    sandbox->deadline_ms = WR_MIN(sandbox->deadline_ms, now + WR_TIMEOUT_MAX_S * 1000);
    wr_lifecycle_arm(server, sandbox, sandbox->deadline_ms > now ? sandbox->deadline_ms - now : 0);
    return 0;
}

static void drop_unseen(struct wr_server *server)
{
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (!sandbox->seen) {
            wr_log(WR_LOG_WARN, "the engine has lost a sandbox", "sandbox", sandbox->id, NULL);
            wr_record_remove(server, sandbox);
        }
    }
}

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
        finish_resync(op, NULL);
        return;
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
