#include "server/volume_resync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/server.h"
#include "server/volumes.h"

#define MAX_VOLUMES ((size_t)1 << 20)
#define ENTRY       (WR_UUID_LEN + 1)

struct comparison {
    struct wr_server *server;
    uint64_t began_ms;    /* wall clock: younger rows are not compared */
    struct wr_buf engine; /* ids of the engine's volumes, ascending, each with its NUL */
    struct wr_buf marked; /* ids of rows */
    char after[ENTRY];
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

static int ask_page(struct comparison *c, struct wr_error *err);

static int take_one(struct comparison *c, const json_t *item, struct wr_error *err)
{
    const char *id = "";
    struct wr_store_volume row;
    struct wr_error none = {0};
    const struct wr_json_field field = {
        .name = "volume", .kind = WR_JSON_STRING, .required = true, .ret = &id};

    int r = wr_json_read(item, &field, 1, WR_JSON_IGNORE_UNKNOWN, err);
    if (r < 0)
        return r;
    if (!wr_uuid_valid(id) || strcmp(id, c->after) <= 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine's list of volumes is not in order");
    memcpy(c->after, id, ENTRY);
    r = wr_buf_append(&c->engine, id, ENTRY);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of volumes");
    if (wr_store_volume_get(c->server->store, id, &row, &none) == -WR_E_NOT_FOUND)
        wr_log(WR_LOG_WARN,
               "a volume has data and no record; its data stays until `warren volume rm` with its "
               "id",
               "volume", id, NULL);
    return 0;
}

static int take_page(struct comparison *c, const json_t *reply, bool *ret_more,
                     struct wr_error *err)
{
    json_t *list = NULL, *item;
    bool more = false;
    size_t i;
    const struct wr_json_field fields[] = {
        {.name = "volumes",
         .kind = WR_JSON_ARRAY,
         .required = true,
         .ret = &list,
         .max = WR_ACTION_LIST_PAGE},
        {.name = "more", .kind = WR_JSON_BOOL, .ret = &more},
    };

    int r = wr_json_read(reply, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    json_array_foreach(list, i, item) {
        if (r == 0)
            r = take_one(c, item, err);
    }
    /* An empty page that promises more would go on for ever. */
    *ret_more = more && json_array_size(list) > 0;
    return r;
}

static void on_page(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct comparison *c = data;
    struct wr_error own = {0};
    bool more = false;

    if (!error && take_page(c, reply->json, &more, &own) < 0)
        error = &own;
    if (!error && more) {
        if (ask_page(c, &own) == 0)
            return;
        error = &own;
    }
    if (!error)
        look_at_rows(c);
    else if (error->code != WR_E_UNAVAILABLE)
        /* A restart in the middle of the list comes with a new comparison. */
        wr_log(WR_LOG_WARN, "volumes were not compared with the engine's", "error", error->msg,
               NULL);
    comparison_free(c);
}

static int ask_page(struct comparison *c, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "after", c->after);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of volumes");
    const struct wr_engine_request request = {
        .action = WR_ACTION_VOLUMES, .json = wr_buf_ptr(&json), .len = json.len};
    return wr_engine_call(c->server->engine, &request, on_page, c, err);
}

void wr_volume_resync(struct wr_server *server)
{
    struct comparison *c = wr_calloc(1, sizeof *c);
    struct wr_error error = {0};

    int r = c ? 0 : wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of volumes");
    if (r == 0) {
        c->server = server;
        c->began_ms = wr_wall_ms();
        wr_buf_init(&c->engine, MAX_VOLUMES * ENTRY);
        wr_buf_init(&c->marked, MAX_VOLUMES * ENTRY);
        r = ask_page(c, &error);
    }
    if (r < 0) {
        wr_log(WR_LOG_WARN, "volumes were not compared with the engine's", "error", error.msg,
               NULL);
        if (c)
            comparison_free(c);
    }
}
