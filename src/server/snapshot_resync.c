#include "server/snapshot_resync.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "log/log.h"
#include "server/engine_list.h"
#include "server/server.h"
#include "server/snapshots.h"

#define MAX_SNAPSHOTS ((size_t)1 << 20)
#define ENTRY         (WR_ID_LEN + 1)

struct comparison {
    struct wr_server *server;
    uint64_t began_ms;    /* wall clock: younger rows are not compared */
    struct wr_buf engine; /* ids of the engine's, ascending, each with its NUL */
    struct wr_buf going;  /* ids of rows */
};

static struct comparison *comparison_free(struct comparison *c)
{
    wr_buf_done(&c->engine);
    wr_buf_done(&c->going);
    free(c);
    return NULL;
}

static void complain(const struct wr_error *error)
{
    wr_log(WR_LOG_WARN, "snapshots were not compared with the engine's", "error", error->msg, NULL);
}

/* ---- the rows ---- */

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool note_half_made(const struct wr_store_snapshot *snapshot, void *data)
{
    struct comparison *c = data;

    return wr_server_snapshot_held(c->server, snapshot->id) ||
           wr_buf_append(&c->going, snapshot->id, ENTRY) == 0;
}

static bool note_lost(const struct wr_store_snapshot *snapshot, void *data)
{
    struct comparison *c = data;

    if (snapshot->created_ms >= c->began_ms || wr_server_snapshot_held(c->server, snapshot->id) ||
        bsearch(snapshot->id, wr_buf_ptr(&c->engine), c->engine.len / ENTRY, ENTRY, compare_ids))
        return true;
    wr_log(WR_LOG_ERROR, "the data of a snapshot is gone", "snapshot", snapshot->id, "name",
           snapshot->ref, NULL);
    return wr_buf_append(&c->going, snapshot->id, ENTRY) == 0;
}

static void look_at_rows(struct comparison *c)
{
    static const struct {
        enum wr_snapshot_state state;
        wr_store_snapshot_fn note;
    } rows[] = {
        {WR_SNAPSHOT_MAKING, note_half_made},
        {WR_SNAPSHOT_REMOVING, note_half_made},
        {WR_SNAPSHOT_READY, note_lost},
    };
    struct wr_error error = {0};

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        if (wr_store_snapshot_each(c->server->store, rows[i].state, rows[i].note, c, &error) < 0)
            complain(&error);
    for (size_t at = 0; at < c->going.len; at += ENTRY)
        wr_server_snapshot_drop(c->server, wr_buf_ptr(&c->going) + at);
}

/* ---- the engine's list ---- */

static int take(void *data, const char *id, const json_t *entry, struct wr_error *err)
{
    struct comparison *c = data;
    struct wr_store_snapshot row = {.id = ""};
    struct wr_error none = {0};

    (void)entry;
    int r = wr_buf_append(&c->engine, id, ENTRY);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of snapshots");
    int found = wr_store_snapshot_get(c->server->store, id, &row, &none);
    explicit_bzero(row.control_token, sizeof row.control_token);
    if (found == -WR_E_NOT_FOUND && !wr_server_snapshot_held(c->server, id) &&
        !wr_sandbox_table_find(c->server->sandboxes, id)) {
        wr_log(WR_LOG_WARN, "a snapshot that nobody knows is removed", "snapshot", id, NULL);
        wr_server_snapshot_drop(c->server, id);
    }
    return 0;
}

static void done(const struct wr_error *error, void *data)
{
    struct comparison *c = data;

    if (!error)
        look_at_rows(c);
    else if (error->code != WR_E_UNAVAILABLE)
        /* A restart in the middle of the list comes with a new comparison. */
        complain(error);
    comparison_free(c);
}

void wr_snapshot_resync(struct wr_server *server)
{
    static const struct wr_engine_list list = {.action = WR_ACTION_SNAPSHOTS,
                                               .name = "snapshots",
                                               .id_field = "snapshot",
                                               .id_valid = wr_id_valid,
                                               .take = take,
                                               .done = done};
    struct comparison *c = wr_calloc(1, sizeof *c);
    struct wr_error error = {0};

    int r = c ? 0 : wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of snapshots");
    if (r == 0) {
        c->server = server;
        c->began_ms = wr_wall_ms();
        wr_buf_init(&c->engine, MAX_SNAPSHOTS * ENTRY);
        wr_buf_init(&c->going, MAX_SNAPSHOTS * ENTRY);
        r = wr_engine_list(server, &list, c, &error);
    }
    if (r < 0) {
        complain(&error);
        if (c)
            comparison_free(c);
    }
}
