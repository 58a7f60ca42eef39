#include "server/engine_list.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/records.h"
#include "server/server.h"

#define ID_MAX WR_MAX(WR_ID_LEN, WR_UUID_LEN)

struct walk {
    struct wr_server *server;
    const struct wr_engine_list *list;
    void *data;
    char after[ID_MAX + 1]; /* the last one that was taken */
};

static int ask_page(struct walk *walk, struct wr_error *err);

static int take_one(struct walk *walk, const json_t *entry, struct wr_error *err)
{
    const char *id = "";
    const struct wr_json_field field = {.name = walk->list->id_field,
                                        .kind = WR_JSON_STRING,
                                        .required = true,
                                        .ret = &id,
                                        .max = ID_MAX};

    int r = wr_json_read(entry, &field, 1, WR_JSON_IGNORE_UNKNOWN, err);
    if (r < 0)
        return r;
    if (!walk->list->id_valid(id) || strcmp(id, walk->after) <= 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine's list of %s is not in order",
                       walk->list->name);
    (void)!wr_strcopy(walk->after, sizeof walk->after, id);
    return walk->list->take(walk->data, id, entry, err);
}

static int take_page(struct walk *walk, const json_t *reply, bool *ret_more, struct wr_error *err)
{
    json_t *entries = NULL, *entry;
    bool more = false;
    size_t i;
    const struct wr_json_field fields[] = {
        {.name = walk->list->name,
         .kind = WR_JSON_ARRAY,
         .required = true,
         .ret = &entries,
         .max = WR_ACTION_LIST_PAGE},
        {.name = "more", .kind = WR_JSON_BOOL, .ret = &more},
    };

    int r = wr_json_read(reply, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    json_array_foreach(entries, i, entry) {
        if (r == 0)
            r = take_one(walk, entry, err);
    }
    /* An empty page that promises more would go on for ever. */
    *ret_more = more && json_array_size(entries) > 0;
    return r;
}

static void on_page(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct walk *walk = data;
    struct wr_error own = {0};
    bool more = false;

    if (!error && take_page(walk, reply->json, &more, &own) < 0)
        error = &own;
    if (!error && more) {
        if (ask_page(walk, &own) == 0)
            return;
        error = &own;
    }
    walk->list->done(error, walk->data);
    free(walk);
}

static int ask_page(struct walk *walk, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "after", walk->after);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of %s", walk->list->name);
    return wr_record_call(walk->server, walk->list->action, &json, on_page, walk, err);
}

int wr_engine_list(struct wr_server *server, const struct wr_engine_list *list, void *data,
                   struct wr_error *err)
{
    struct walk *walk = wr_calloc(1, sizeof *walk);

    if (!walk)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of %s", list->name);
    *walk = (struct walk){.server = server, .list = list, .data = data};
    int r = ask_page(walk, err);
    if (r < 0)
        free(walk);
    return r;
}
