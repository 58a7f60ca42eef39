#include "server/volume_resync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "log/log.h"
#include "server/engine_list.h"
#include "server/server.h"
#include "server/volumes.h"

#define MAX_VOLUMES ((size_t)1 << 20)
#define ENTRY       (WR_UUID_LEN + 1)

struct comparison {
    struct wr_server *server;
    uint64_t began_ms;    /* wall clock: younger rows are not compared */
    struct wr_buf engine; /* ids of the engine's volumes, ascending, each with its NUL */
    struct wr_buf marked; /* ids of rows */
};

static struct comparison *comparison_free(struct comparison *c)
{
    wr_buf_done(&c->engine);
    wr_buf_done(&c->marked);
    free(c);
    return NULL;
}

/* ---- the rows ---- */

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool look_at_row(const struct wr_store_volume *volume, void *data)
{
    struct comparison *c = data;

    if (volume->removing)
        return wr_buf_append(&c->marked, volume->id, ENTRY) == 0;
    if (volume->created_ms < c->began_ms &&
        !bsearch(volume->id, wr_buf_ptr(&c->engine), c->engine.len / ENTRY, ENTRY, compare_ids))
        wr_log(WR_LOG_ERROR, "the data of a volume is gone", "volume", volume->id, "name",
               volume->name, NULL);
    return true;
}

static void look_at_rows(struct comparison *c)
{
    struct wr_error error = {0};

    if (wr_store_volume_each(c->server->store, NULL, look_at_row, c, &error) < 0)
        wr_log(WR_LOG_WARN, "volumes were not compared", "error", error.msg, NULL);
    for (size_t at = 0; at < c->marked.len; at += ENTRY)
        wr_volumes_remove_marked(c->server, wr_buf_ptr(&c->marked) + at);
}

/* ---- the engine's list ---- */

static int take(void *data, const char *id, const json_t *entry, struct wr_error *err)
{
    struct comparison *c = data;
    struct wr_store_volume row;
    struct wr_error none = {0};

    (void)entry;
    int r = wr_buf_append(&c->engine, id, ENTRY);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of volumes");
    if (wr_store_volume_get(c->server->store, id, &row, &none) == -WR_E_NOT_FOUND)
        wr_log(WR_LOG_WARN,
               "a volume has data and no record; its data stays until `warren volume rm` with its "
               "id",
               "volume", id, NULL);
    return 0;
}

static void complain(const struct wr_error *error)
{
    wr_log(WR_LOG_WARN, "volumes were not compared with the engine's", "error", error->msg, NULL);
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

void wr_volume_resync(struct wr_server *server)
{
    static const struct wr_engine_list list = {.action = WR_ACTION_VOLUMES,
                                               .name = "volumes",
                                               .id_field = "volume",
                                               .id_valid = wr_uuid_valid,
                                               .take = take,
                                               .done = done};
    struct comparison *c = wr_calloc(1, sizeof *c);
    struct wr_error error = {0};

    int r = c ? 0 : wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of volumes");
    if (r == 0) {
        c->server = server;
        c->began_ms = wr_wall_ms();
        wr_buf_init(&c->engine, MAX_VOLUMES * ENTRY);
        wr_buf_init(&c->marked, MAX_VOLUMES * ENTRY);
        r = wr_engine_list(server, &list, c, &error);
    }
    if (r < 0) {
        complain(&error);
        if (c)
            comparison_free(c);
    }
}
