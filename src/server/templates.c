#include "server/templates.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/records.h"
#include "server/server.h"

struct load_op {
    struct wr_server *server;
    wr_done_fn fn;
    void *data;
    struct wr_templates *list; /* owned; what was read */
};

static int load_page(struct load_op *op, const char *after, struct wr_error *err);

struct wr_templates *wr_templates_free(struct wr_templates *templates)
{
    if (templates)
        free(templates->entries);
    free(templates);
    return NULL;
}

static bool has_alias(const struct wr_template_entry *entry, const char *name)
{
    for (size_t i = 0; i < WR_TEMPLATE_MAX_ALIASES && entry->aliases[i][0]; i++)
        if (wr_streq(entry->aliases[i], name))
            return true;
    return false;
}

/* An alias has an ID of its own, so that a client may keep it. */
static bool has_id(const struct wr_template_entry *entry, const char *id)
{
    char of_alias[WR_TEMPLATE_ID_LEN + 1];

    if (wr_streq(entry->id, id))
        return true;
    for (size_t i = 0; i < WR_TEMPLATE_MAX_ALIASES && entry->aliases[i][0]; i++) {
        wr_template_id(entry->aliases[i], of_alias);
        if (wr_streq(of_alias, id))
            return true;
    }
    return false;
}

const struct wr_template_entry *wr_templates_find(const struct wr_templates *templates,
                                                  const char *name_or_id)
{
    size_t count = templates ? templates->count : 0;

    for (size_t i = 0; i < count; i++)
        if (wr_streq(templates->entries[i].name, name_or_id))
            return &templates->entries[i];
    for (size_t i = 0; i < count; i++)
        if (has_alias(&templates->entries[i], name_or_id))
            return &templates->entries[i];
    for (size_t i = 0; i < count; i++)
        if (has_id(&templates->entries[i], name_or_id))
            return &templates->entries[i];
    return NULL;
}

void wr_templates_forget(struct wr_server *server)
{
    server->templates = wr_templates_free(server->templates);
}

bool wr_templates_has_tag(const struct wr_template_entry *entry, const char *tag)
{
    return !*tag || wr_streq(tag, WR_TEMPLATE_TAG) || wr_streq(tag, entry->build_id);
}

static struct wr_template_entry *append(struct wr_templates *list, struct wr_error *err)
{
    if (list->count == WR_TEMPLATES_MAX) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "there are more than %d templates",
                      WR_TEMPLATES_MAX);
        return NULL;
    }
    if (list->count == list->cap) {
        size_t cap = WR_MIN(WR_MAX(list->cap * 2, (size_t)16), (size_t)WR_TEMPLATES_MAX);
        struct wr_template_entry *grown = realloc(list->entries, cap * sizeof *grown);
        if (!grown) {
            (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of templates");
            return NULL;
        }
        list->entries = grown;
        list->cap = cap;
    }
    struct wr_template_entry *entry = &list->entries[list->count++];
    *entry = (struct wr_template_entry){0};
    return entry;
}

static int read_aliases(const json_t *aliases, struct wr_template_entry *entry,
                        struct wr_error *err)
{
    const json_t *item;
    size_t i;

    json_array_foreach(aliases, i, item) {
        const char *alias = json_string_value(item);
        if (!alias || !wr_template_name_valid(alias) ||
            !wr_strcopy(entry->aliases[i], sizeof entry->aliases[i], alias))
            return wr_fail(err, WR_E_INTERNAL, 0,
                           "the engine's record of a template has a bad alias");
    }
    return 0;
}

static int read_entry(const json_t *json, struct wr_templates *list, struct wr_error *err)
{
    const char *name = NULL, *zygote = "", *reason = "";
    json_t *aliases = NULL;
    struct wr_template_entry *entry = append(list, err);

    if (!entry)
        return -err->code;
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name, .max = 63},
        {.name = "aliases", .kind = WR_JSON_ARRAY, .ret = &aliases, .max = WR_TEMPLATE_MAX_ALIASES},
        {.name = "layers", .kind = WR_JSON_U64, .ret = &entry->layers},
        {.name = "sizeBytes", .kind = WR_JSON_U64, .ret = &entry->size_bytes},
        {.name = "createdMs", .kind = WR_JSON_U64, .ret = &entry->created_ms},
        {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &entry->cpu_millis},
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &entry->memory_bytes},
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &entry->disk_bytes},
        {.name = "zygote", .kind = WR_JSON_STRING, .ret = &zygote, .max = 15},
        {.name = "zygoteReason", .kind = WR_JSON_STRING, .ret = &reason, .max = 127},
    };
    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "the engine's record of a template");
    if (!wr_template_name_valid(name) || !wr_strcopy(entry->name, sizeof entry->name, name))
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine's record of a template has a bad name");
    if (aliases && read_aliases(aliases, entry, err) < 0)
        return -err->code;
    (void)!wr_strcopy(entry->zygote, sizeof entry->zygote, zygote);
    (void)!wr_strcopy(entry->zygote_reason, sizeof entry->zygote_reason, reason);
    wr_template_id(name, entry->id);
    wr_template_build_id(name, entry->created_ms, entry->build_id);
    return 0;
}

static void finish(struct load_op *op, const struct wr_error *error)
{
    if (!error) {
        wr_templates_free(op->server->templates);
        op->server->templates = wr_steal_ptr(&op->list);
    }
    op->fn(error, op->data);
    wr_templates_free(op->list);
    free(op);
}

static void on_page(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct load_op *op = data;
    struct wr_error own = {0};
    json_t *page = NULL, *item;
    bool more = false;
    size_t i;
    const struct wr_json_field fields[] = {
        {.name = "templates",
         .kind = WR_JSON_ARRAY,
         .required = true,
         .ret = &page,
         .max = WR_ACTION_LIST_PAGE},
        {.name = "more", .kind = WR_JSON_BOOL, .ret = &more},
    };

    if (error) {
        finish(op, error);
        return;
    }
    int r = wr_json_read(reply->json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &own);
    json_array_foreach(page, i, item) {
        if (r == 0)
            r = read_entry(item, op->list, &own);
    }
    /* An empty page that promises more would go on for ever; others end at WR_TEMPLATES_MAX. */
    if (r == 0 && more && json_array_size(page) > 0) {
        r = load_page(op, op->list->entries[op->list->count - 1].name, &own);
        if (r == 0)
            return;
    }
    finish(op, r < 0 ? &own : NULL);
}

static int load_page(struct load_op *op, const char *after, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "after", after);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of templates");
    return wr_record_call(op->server, WR_ACTION_TEMPLATES, &json, on_page, op, err);
}

int wr_templates_load(struct wr_server *server, wr_done_fn fn, void *data, struct wr_error *err)
{
    struct load_op *op = wr_calloc(1, sizeof *op);

    if (op)
        op->list = wr_calloc(1, sizeof *op->list);
    if (!op || !op->list) {
        free(op);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of templates");
    }
    op->server = server;
    op->fn = fn;
    op->data = data;
    int r = load_page(op, "", err);
    if (r < 0) {
        wr_templates_free(op->list);
        free(op);
    }
    return r;
}

static void on_prepared(const struct wr_error *error, void *data)
{
    (void)error;
    (void)data;
}

void wr_templates_prepare(struct wr_server *server)
{
    struct wr_error ignored = {0};

    (void)!wr_templates_load(server, on_prepared, NULL, &ignored);
}
