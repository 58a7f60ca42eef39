#include "server/snapshots.h"

#include <errno.h>

#include "base/alloc.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/records.h"
#include "server/server.h"

struct wr_server_snapshots {
    struct wr_list holds;
};

struct hold {
    struct wr_list link;
    char id[WR_ID_LEN + 1];
    size_t count;
    bool drop; /* when nobody holds it any more */
};

struct remove_op {
    struct wr_server *server;
    wr_done_fn fn; /* NULL: nobody waits */
    void *data;
    char id[WR_ID_LEN + 1];
};

/* ---- holds ---- */

static struct hold *find_hold(const struct wr_server *server, const char *id)
{
    wr_list_foreach(it, &server->snapshots->holds) {
        struct hold *hold = wr_list_entry(it, struct hold, link);
        if (wr_streq(hold->id, id))
            return hold;
    }
    return NULL;
}

int wr_server_snapshot_hold(struct wr_server *server, const char *id, struct wr_error *err)
{
    struct hold *hold = find_hold(server, id);

    if (!hold) {
        hold = wr_calloc(1, sizeof *hold);
        if (!hold || !wr_strcopy(hold->id, sizeof hold->id, id)) {
            free(hold);
            return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "snapshot");
        }
        wr_list_append(&server->snapshots->holds, &hold->link);
    }
    hold->count++;
    return 0;
}

void wr_server_snapshot_release(struct wr_server *server, const char *id)
{
    struct hold *hold = find_hold(server, id);

    if (!hold || --hold->count > 0)
        return;
    wr_list_remove(&hold->link);
    if (hold->drop)
        wr_server_snapshot_drop(server, hold->id);
    free(hold);
}

bool wr_server_snapshot_held(const struct wr_server *server, const char *id)
{
    return find_hold(server, id) != NULL;
}

/* ---- removal ---- */

static int ask_to_remove(struct remove_op *op, wr_engine_fn fn, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(128);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "snapshot", op->id);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_UNAVAILABLE, -r, "snapshot %s", op->id);
    return wr_record_call(op->server, WR_ACTION_SNAPSHOT_REMOVE, &json, fn, op, err);
}

static void complain(const char *id, const struct wr_error *error)
{
    wr_log(WR_LOG_WARN, "a snapshot was not removed", "snapshot", id, "error", error->msg, NULL);
}

static void on_removed(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct remove_op *op = data;
    struct wr_error own = {0};

    (void)reply;
    if (error && error->code == WR_E_NOT_FOUND)
        error = NULL;
    if (!error && wr_store_snapshot_remove(op->server->store, op->id, &own) < 0)
        error = &own;
    /* Somebody waits, and learns that it is still there: then it is. Without a row or a client the
     * next comparison tries again. */
    if (error && op->fn) {
        struct wr_error ignored = {0};
        (void)!wr_store_snapshot_mark(op->server->store, op->id, WR_SNAPSHOT_READY, &ignored);
    }
    if (error)
        complain(op->id, error);
    else
        wr_log(WR_LOG_INFO, "snapshot removed", "snapshot", op->id, NULL);
    if (op->fn)
        op->fn(error, op->data);
    free(op);
}

static int remove_data(struct wr_server *server, const char *id, wr_done_fn fn, void *data,
                       struct wr_error *err)
{
    struct remove_op *op = wr_calloc(1, sizeof *op);

    if (!op || !wr_strcopy(op->id, sizeof op->id, id)) {
        free(op);
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "removal of a snapshot");
    }
    op->server = server;
    op->fn = fn;
    op->data = data;
    int r = ask_to_remove(op, on_removed, err);
    if (r < 0)
        free(op);
    return r;
}

int wr_server_snapshot_remove(struct wr_server *server, const char *id, wr_done_fn fn, void *data,
                              struct wr_error *err)
{
    struct wr_error ignored = {0};

    if (wr_server_snapshot_held(server, id))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "a sandbox is being made from the snapshot; try again");
    int r = wr_store_snapshot_mark(server->store, id, WR_SNAPSHOT_REMOVING, err);
    if (r < 0)
        return r;
    r = remove_data(server, id, fn, data, err);
    if (r < 0)
        (void)!wr_store_snapshot_mark(server->store, id, WR_SNAPSHOT_READY, &ignored);
    return r;
}

void wr_server_snapshot_drop(struct wr_server *server, const char *id)
{
    struct hold *hold = find_hold(server, id);
    struct wr_error error = {0};

    if (hold)
        hold->drop = true;
    else if (remove_data(server, id, NULL, NULL, &error) < 0)
        complain(id, &error);
}

/* ---- all of them ---- */

struct wr_server_snapshots *wr_server_snapshots_new(void)
{
    struct wr_server_snapshots *snapshots = wr_calloc(1, sizeof *snapshots);

    if (snapshots)
        wr_list_init(&snapshots->holds);
    return snapshots;
}

struct wr_server_snapshots *wr_server_snapshots_free(struct wr_server_snapshots *snapshots)
{
    if (!snapshots)
        return NULL;
    wr_list_foreach(it, &snapshots->holds)
        free(wr_list_entry(it, struct hold, link));
    free(snapshots);
    return NULL;
}
