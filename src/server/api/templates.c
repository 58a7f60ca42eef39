#include "server/api/templates.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/parse.h"
#include "server/api/errors.h"
#include "server/api/template_json.h"
#include "server/request.h"
#include "server/server.h"
#include "server/templates.h"

#define MAX_BYTES  ((size_t)8 * 1024 * 1024)
#define LIMIT_MAX  100
#define CURSOR_MAX 128

/* A request that waits for the list of templates. The exchange may close before. */
struct look {
    struct wr_server *server;
    struct wr_exchange *ex; /* NULL once closed */
    bool busy;
    void (*show)(struct look *look);
    struct wr_template_ref ref; /* of what is looked for */
    char text[200];             /* as the client wrote it */
    char slug[WR_STORE_NAME_MAX + 1];
    char tag[WR_TEMPLATE_PART_MAX + 1];
    bool paged;
    uint32_t limit;
    uint64_t cursor_ms; /* with cursor_name: the last template of the page before */
    char cursor_name[64];
};

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct look *look = data;

    (void)ex;
    (void)aborted;
    wr_server_touch(look->server);
    look->ex = NULL;
    if (!look->busy)
        free(look);
}

static void on_loaded(const struct wr_error *error, void *data)
{
    struct look *look = data;

    look->busy = false;
    if (look->ex && error)
        wr_api_fail(look->ex, error);
    else if (look->ex)
        look->show(look);
    if (!look->ex)
        free(look);
}

/* NULL: answered with 503. */
static struct look *look_new(const struct wr_api_request *request, struct wr_exchange *ex,
                             void (*show)(struct look *look))
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};
    struct look *look = wr_calloc(1, sizeof *look);

    if (!look) {
        wr_api_error(ex, 503, "out of memory; try again");
        return NULL;
    }
    look->server = request->server;
    look->ex = ex;
    look->show = show;
    memcpy(look->slug, request->who.team_slug, sizeof look->slug);
    wr_exchange_set_ops(ex, &ops, look);
    return look;
}

static void look_up(struct look *look)
{
    struct wr_error error = {0};

    look->busy = true;
    if (wr_templates_load(look->server, on_loaded, look, &error) < 0) {
        look->busy = false;
        wr_api_fail(look->ex, &error);
    }
}

/* ---- lists ---- */

/* Newest first, then by name. */
static int compare_keys(uint64_t a_ms, const char *a_name, uint64_t b_ms, const char *b_name)
{
    if (a_ms != b_ms)
        return a_ms < b_ms ? 1 : -1;
    return strcmp(a_name, b_name);
}

static int compare(const void *a, const void *b)
{
    const struct wr_template_entry *x = *(const struct wr_template_entry *const *)a;
    const struct wr_template_entry *y = *(const struct wr_template_entry *const *)b;

    return compare_keys(x->created_ms, x->name, y->created_ms, y->name);
}

/* "<created_ms>_<name>" in base64. */
static void set_cursor(struct wr_exchange *ex, const struct wr_template_entry *last)
{
    char text[96], out[CURSOR_MAX + 1];

    if (!wr_strformat(text, sizeof text, "%llu_%s", (unsigned long long)last->created_ms,
                      last->name))
        return;
    out[wr_base64_encode(text, strlen(text), out)] = '\0';
    wr_exchange_header(ex, "X-Next-Token", out);
}

static int read_cursor(const char *text, struct look *look, struct wr_error *err)
{
    char plain[CURSOR_MAX + 4] = "";
    size_t len = strlen(text);
    ssize_t n = len <= CURSOR_MAX ? wr_base64_decode(text, len, plain) : -EINVAL;
    char *name = n > 0 ? strchr(plain, '_') : NULL;

    if (name)
        *name++ = '\0';
    if (!name || wr_parse_u64(plain, 0, UINT64_MAX, &look->cursor_ms) < 0 ||
        !wr_template_name_valid(name) ||
        !wr_strcopy(look->cursor_name, sizeof look->cursor_name, name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Invalid next token");
    return 0;
}

static void show_list(struct look *look)
{
    const struct wr_templates *list = look->server->templates;
    wr_auto_free const struct wr_template_entry **sorted =
        wr_calloc(list->count + 1, sizeof *sorted);
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    size_t count = 0;
    struct wr_jw w;

    if (!sorted) {
        wr_api_error(look->ex, 503, "out of memory; try again");
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct wr_template_entry *entry = &list->entries[i];
        if (!look->cursor_name[0] ||
            compare_keys(look->cursor_ms, look->cursor_name, entry->created_ms, entry->name) < 0)
            sorted[count++] = entry;
    }
    qsort(sorted, count, sizeof sorted[0], compare);
    size_t shown = look->paged ? WR_MIN(count, (size_t)look->limit) : count;
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    for (size_t i = 0; i < shown; i++)
        wr_api_write_template(&w, sorted[i]);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        wr_exchange_abort(look->ex);
        return;
    }
    wr_exchange_begin(look->ex, 200);
    wr_exchange_header(look->ex, "Content-Type", "application/json");
    if (shown < count)
        set_cursor(look->ex, sorted[shown - 1]);
    wr_exchange_send(look->ex, wr_buf_ptr(&body), body.len);
}

static int read_page(struct look *look, struct wr_error *err)
{
    char text[CURSOR_MAX + 1];
    uint64_t limit = LIMIT_MAX;

    int r = wr_exchange_query(look->ex, "limit", text, sizeof text, err);
    if (r > 0 && wr_parse_u64(text, 1, LIMIT_MAX, &limit) < 0)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                    "validation error: query parameter \"limit\" is a number from 1 to %d",
                    LIMIT_MAX);
    if (r >= 0)
        r = wr_exchange_query(look->ex, "nextToken", text, sizeof text, err);
    if (r > 0 && *text)
        r = read_cursor(text, look, err);
    look->paged = true;
    look->limit = (uint32_t)limit;
    return r < 0 ? r : 0;
}

/* Of another team nothing is shown; the operator may ask for any. */
static int check_team(const struct wr_api_request *request, const struct wr_exchange *ex,
                      struct wr_error *err)
{
    char team_id[64];
    int r = wr_exchange_query(ex, "teamID", team_id, sizeof team_id, err);

    if (r > 0 && *team_id && !wr_principal_may_see(&request->who, team_id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "teamID is not the team of this API key");
    return r < 0 ? r : 0;
}

static void list(struct wr_exchange *ex, const struct wr_api_request *request, bool paged)
{
    struct wr_error error = {0};
    struct look *look = look_new(request, ex, show_list);

    if (!look)
        return;
    int r = check_team(request, ex, &error);
    if (r == 0 && paged)
        r = read_page(look, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        look_up(look);
}

void wr_api_templates_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    list(ex, data, false);
}

void wr_api_templates_list_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    (void)match;
    list(ex, data, true);
}

/* ---- one template ---- */

/* NULL: answered with 404. */
static const struct wr_template_entry *found(struct look *look)
{
    const struct wr_template_entry *entry = NULL;
    char message[256];

    /* Templates belong to nobody, so a team's own names are the bare ones. */
    if (!look->ref.team[0] || wr_streq(look->ref.team, look->slug))
        entry = wr_templates_find(look->server->templates, look->ref.name);
    if (entry && wr_templates_has_tag(entry, look->ref.tag))
        return entry;
    if (!(entry ? wr_strformat(message, sizeof message,
                               "tag '%.100s' does not exist for template '%s'", look->ref.tag,
                               look->ref.name)
                : wr_strformat(message, sizeof message, "template '%.190s' not found", look->text)))
        message[0] = '\0';
    wr_api_error(look->ex, 404, message);
    return NULL;
}

static void reply(struct look *look, void (*write)(struct wr_jw *w, struct look *look,
                                                   const struct wr_template_entry *entry))
{
    const struct wr_template_entry *entry = found(look);
    wr_auto_buf body = WR_BUF(8192);
    struct wr_jw w;

    if (!entry)
        return;
    wr_jw_init(&w, &body);
    write(&w, look, entry);
    wr_api_reply_json(look->ex, 200, &body, wr_jw_finish(&w));
}

static void begin(struct wr_exchange *ex, const struct wr_api_request *request, const char *text,
                  void (*show)(struct look *look))
{
    struct look *look = look_new(request, ex, show);
    struct wr_error error = {0};

    if (!look)
        return;
    if (!wr_strformat(look->text, sizeof look->text, "%.190s", text))
        look->text[0] = '\0';
    int r = wr_template_ref_parse(text, &look->ref, &error);
    if (r == 0)
        r = wr_exchange_query(ex, "tag", look->tag, sizeof look->tag, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        look_up(look);
}

static void write_builds(struct wr_jw *w, struct look *look, const struct wr_template_entry *entry)
{
    (void)look;
    wr_api_write_template_builds(w, entry);
}

static void show_builds(struct look *look)
{
    reply(look, write_builds);
}

void wr_api_templates_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    begin(ex, data, match->params[0], show_builds);
}

static void write_alias(struct wr_jw *w, struct look *look, const struct wr_template_entry *entry)
{
    (void)look;
    wr_jw_object(w);
    wr_jw_kstr(w, "templateID", entry->id);
    wr_jw_kbool(w, "public", true);
    wr_jw_end(w);
}

static void show_alias(struct look *look)
{
    reply(look, write_alias);
}

void wr_api_templates_alias(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    begin(ex, data, match->params[0], show_alias);
}

/* ---- tags ---- */

static void write_tags(struct wr_jw *w, struct look *look, const struct wr_template_entry *entry)
{
    (void)look;
    wr_jw_array(w);
    wr_api_write_template_tag(w, entry);
    wr_jw_end(w);
}

static void show_tags(struct look *look)
{
    reply(look, write_tags);
}

void wr_api_templates_tags(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    begin(ex, data, match->params[0], show_tags);
}

static void write_count(struct wr_jw *w, struct look *look, const struct wr_template_entry *entry)
{
    (void)look;
    (void)entry;
    wr_jw_object(w);
    wr_jw_ku64(w, "total", 1);
    wr_jw_end(w);
}

static void show_count(struct look *look)
{
    reply(look, write_count);
}

void wr_api_templates_tags_count(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data)
{
    begin(ex, data, match->params[0], show_count);
}

static void write_exists(struct wr_jw *w, struct look *look, const struct wr_template_entry *entry)
{
    (void)entry;
    wr_jw_object(w);
    wr_jw_kbool(w, "exists", wr_streq(look->tag, WR_TEMPLATE_TAG));
    wr_jw_kstr(w, "normalizedTag", look->tag);
    wr_jw_end(w);
}

static void show_exists(struct look *look)
{
    reply(look, write_exists);
}

void wr_api_templates_tag_exists(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data)
{
    begin(ex, data, match->params[0], show_exists);
}
