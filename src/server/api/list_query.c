#include "server/api/list_query.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/parse.h"
#include "base/rfc3339.h"
#include "json/jread.h"
#include "server/api/metadata_filter.h"
#include "server/settings.h"
#include "server/template_ref.h"

/* "<RFC 3339>__<id>__asc" */
#define CURSOR_TEXT_MAX 64

static int invalid(struct wr_error *err, const char *name, const char *rule)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "validation error: query parameter \"%s\" %s",
                   name, rule);
}

/* ---- cursor ---- */

void wr_list_query_cursor(const struct wr_list_query *query, const struct wr_sandbox *last,
                          char out[static WR_LIST_CURSOR_MAX])
{
    char text[CURSOR_TEXT_MAX], time[25];

    wr_format_rfc3339(last->created_ms, time);
    if (!wr_strformat(text, sizeof text, "%s__%s%s", time, last->id,
                      query->ascending ? "__asc" : ""))
        text[0] = '\0';
    size_t len = wr_base64_encode(text, strlen(text), out);
    while (len > 0 && out[len - 1] == '=')
        len--;
    out[len] = '\0';
    /* The URL-safe alphabet. */
    for (char *p = out; *p; p++)
        *p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p);
}

int wr_list_cursor_read(const char *text, struct wr_list_query *query, struct wr_error *err)
{
    char plain[WR_LIST_CURSOR_MAX + 4] = "";
    size_t len = strlen(text);
    uint64_t us = 0;
    ssize_t n = len < WR_LIST_CURSOR_MAX ? wr_base64_decode(text, len, plain) : -EINVAL;

    char *id = n > 0 && !memchr(plain, '\0', (size_t)n) ? strstr(plain, "__") : NULL;
    if (!id)
        goto malformed;
    *id = '\0';
    id += 2;
    char *order = strstr(id, "__");
    bool ascending = order && wr_streq(order, "__asc");
    if (order && !ascending)
        goto malformed;
    if (order)
        *order = '\0';
    if (wr_parse_rfc3339(plain, &us) < 0 || !wr_id_valid(id))
        goto malformed;
    if (ascending != query->ascending)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "Invalid next token: it belongs to a list in the other order");
    query->has_cursor = true;
    query->cursor_ms = us / 1000;
    memcpy(query->cursor_id, id, sizeof query->cursor_id);
    return 0;
malformed:
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Invalid next token");
}

/* ---- parameters ---- */

/* Each gets the decoded value. */
struct param {
    const char *name;
    int (*read)(const char *value, const struct wr_principal *who, struct wr_list_query *query,
                struct wr_error *err);
};

static int read_metadata(const char *value, const struct wr_principal *who,
                         struct wr_list_query *query, struct wr_error *err)
{
    (void)who;
    return wr_metadata_filter_parse(value, &query->metadata, err);
}

/* "running,paused" */
static int read_state(const char *value, const struct wr_principal *who,
                      struct wr_list_query *query, struct wr_error *err)
{
    (void)who;
    query->running = query->paused = false;
    for (const char *p = value;;) {
        size_t len = strcspn(p, ",");
        bool running = len == 7 && memcmp(p, "running", 7) == 0;
        bool paused = len == 6 && memcmp(p, "paused", 6) == 0;
        if (!running && !paused)
            return invalid(err, "state", "is a list of running and paused");
        query->running = query->running || running;
        query->paused = query->paused || paused;
        if (!p[len])
            return 0;
        p += len + 1;
    }
}

static int read_order(const char *value, const struct wr_principal *who,
                      struct wr_list_query *query, struct wr_error *err)
{
    (void)who;
    query->ascending = wr_streq(value, "asc");
    return query->ascending || wr_streq(value, "desc") ? 0
                                                       : invalid(err, "order", "is asc or desc");
}

static int read_started_after(const char *value, const struct wr_principal *who,
                              struct wr_list_query *query, struct wr_error *err)
{
    (void)who;
    return wr_parse_rfc3339(value, &query->started_after_us) < 0
               ? invalid(err, "startedAfter", "is not an RFC 3339 time")
               : 0;
}

static int read_template(const char *value, const struct wr_principal *who,
                         struct wr_list_query *query, struct wr_error *err)
{
    struct wr_template_ref ref = {0};
    struct wr_error ignored = {0};

    if (strchr(value, ':'))
        return invalid(err, "template", "takes no tag");
    if (wr_template_ref_parse(value, &ref, &ignored) < 0 ||
        (ref.team[0] && !wr_streq(ref.team, who->team_slug)))
        query->nothing = true;
    memcpy(query->template_name, ref.name, sizeof query->template_name);
    return 0;
}

static int read_limit(const char *value, const struct wr_principal *who,
                      struct wr_list_query *query, struct wr_error *err)
{
    uint64_t limit = 0;

    (void)who;
    if (wr_parse_u64(value, 1, WR_LIST_LIMIT_MAX, &limit) < 0)
        return invalid(err, "limit", "is a number from 1 to 100");
    query->limit = (uint32_t)limit;
    return 0;
}

static int read_cursor(const char *value, const struct wr_principal *who,
                       struct wr_list_query *query, struct wr_error *err)
{
    (void)who;
    return *value ? wr_list_cursor_read(value, query, err) : 0;
}

/* In this order: the cursor is compared with the order. */
static const struct param params[] = {
    {"metadata", read_metadata},          {"state", read_state},       {"order", read_order},
    {"startedAfter", read_started_after}, {"template", read_template}, {"limit", read_limit},
    {"nextToken", read_cursor},
};

static int read_params(const struct wr_exchange *ex, const struct wr_principal *who, size_t count,
                       struct wr_list_query *ret, struct wr_error *err)
{
    struct wr_list_query query = {.running = true, .paused = true, .limit = WR_LIST_LIMIT_MAX};
    wr_auto_free char *text = wr_calloc(1, WR_HTTP_MAX_TARGET);

    if (!text)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "query");
    for (size_t i = 0; i < count; i++) {
        int r = wr_exchange_query(ex, params[i].name, text, WR_HTTP_MAX_TARGET, err);
        if (r > 0)
            r = params[i].read(text, who, &query, err);
        if (r < 0) {
            wr_list_query_done(&query);
            return r;
        }
    }
    *ret = query;
    return 0;
}

int wr_list_query_read(const struct wr_exchange *ex, const struct wr_principal *who,
                       struct wr_list_query *ret, struct wr_error *err)
{
    return read_params(ex, who, WR_ARRAY_SIZE(params), ret, err);
}

int wr_list_query_read_v1(const struct wr_exchange *ex, struct wr_list_query *ret,
                          struct wr_error *err)
{
    int r = read_params(ex, NULL, 1, ret, err);

    if (r == 0)
        ret->paused = false;
    return r;
}

void wr_list_query_done(struct wr_list_query *query)
{
    json_decref(query->metadata);
    query->metadata = NULL;
}

/* ---- what matches ---- */

static bool template_fits(const char *wanted, const char *name)
{
    char id[WR_TEMPLATE_ID_LEN + 1];

    if (!*wanted || wr_streq(wanted, name))
        return true;
    if (strlen(wanted) != WR_TEMPLATE_ID_LEN)
        return false;
    wr_template_id(name, id);
    return wr_streq(wanted, id);
}

/* One from a snapshot is of both templates. */
static bool of_template(const char *wanted, const struct wr_sandbox *sandbox)
{
    return template_fits(wanted, sandbox->template_name) ||
           (sandbox->snapshot_template[0] && (wr_streq(wanted, sandbox->snapshot_template) ||
                                              wr_streq(wanted, sandbox->snapshot_name)));
}

bool wr_list_query_match(const struct wr_list_query *query, const struct wr_sandbox *sandbox)
{
    return !query->nothing && sandbox->created_ms * 1000 >= query->started_after_us &&
           of_template(query->template_name, sandbox) &&
           wr_metadata_filter_match(query->metadata, wr_settings_metadata(sandbox->settings));
}

static int compare(const struct wr_list_query *query, uint64_t a_ms, const char *a_id,
                   uint64_t b_ms, const char *b_id)
{
    int newest_first = a_ms != b_ms ? (a_ms < b_ms ? 1 : -1) : strcmp(a_id, b_id);

    return query->ascending ? -newest_first : newest_first;
}

int wr_list_query_compare(const struct wr_list_query *query, const struct wr_sandbox *a,
                          const struct wr_sandbox *b)
{
    return compare(query, a->created_ms, a->id, b->created_ms, b->id);
}

bool wr_list_query_behind(const struct wr_list_query *query, const struct wr_sandbox *sandbox)
{
    return !query->has_cursor ||
           compare(query, query->cursor_ms, query->cursor_id, sandbox->created_ms, sandbox->id) < 0;
}
