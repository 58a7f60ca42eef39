#include "server/api/events.h"

#include <string.h>

#include "base/parse.h"
#include "base/str.h"
#include "http/uri.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/event_about.h"
#include "server/event_json.h"
#include "server/events.h"
#include "server/request.h"
#include "server/server.h"

#define LIMIT_DEFAULT 10
#define LIMIT_MAX     100
#define OFFSET_MAX    1000000000
#define TYPE_MAX      64
#define PAGE_BYTES    (LIMIT_MAX * (WR_EVENT_ABOUT_MAX + 4096))

int wr_api_events_team(const struct wr_exchange *ex, const struct wr_principal *who,
                       char out[static WR_UUID_LEN + 1], struct wr_error *err)
{
    int r = wr_exchange_query(ex, "teamID", out, WR_UUID_LEN + 1, err);

    if (r < 0)
        return r;
    if (r > 0 && !wr_principal_may_see(who, out))
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0, "teamID: the key is of another team");
    if (r == 0 && !wr_strcopy(out, WR_UUID_LEN + 1, who->is_operator ? "" : who->team_id))
        return wr_fail(err, WR_E_INTERNAL, 0, "team of the key");
    return 0;
}

/* ---- parameters ---- */

static int read_number(const struct wr_exchange *ex, const char *name, uint64_t min, uint64_t max,
                       uint64_t *value, struct wr_error *err)
{
    char text[24];

    int r = wr_exchange_query(ex, name, text, sizeof text, err);
    if (r > 0 && wr_parse_u64(text, min, max, value) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: a number from %llu to %llu", name,
                       (unsigned long long)min, (unsigned long long)max);
    return WR_MIN(r, 0);
}

static int read_order(const struct wr_exchange *ex, bool *descending, struct wr_error *err)
{
    char text[8];

    int r = wr_exchange_query(ex, "orderAsc", text, sizeof text, err);
    if (r > 0 && !wr_streq(text, "true") && !wr_streq(text, "false"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "orderAsc: true or false");
    *descending = r <= 0 || wr_streq(text, "false");
    return WR_MIN(r, 0);
}

/* One value may hold several, separated by commas. */
static int add_types(char *value, wr_event_set *types, struct wr_error *err)
{
    char *rest = value;

    for (const char *one = strsep(&rest, ","); one; one = strsep(&rest, ",")) {
        wr_event_set bit = wr_event_type_bit(one);
        if (!bit)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "types: there is no event type '%.60s'",
                           one);
        *types |= bit;
    }
    return 0;
}

/* The parameter may be there several times. */
static int read_types(const struct wr_exchange *ex, wr_event_set *types, struct wr_error *err)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const char *at = memchr(head->target, '?', head->target_len);
    const char *end = head->target + head->target_len;
    char value[(TYPE_MAX + 1) * WR_EVENT_TYPES];

    while (at && at < end) {
        const char *start = at + 1;
        const char *next = memchr(start, '&', (size_t)(end - start));
        size_t len = (size_t)((next ? next : end) - start);
        int r = wr_uri_query_get(start, len, "types", value, sizeof value, err);
        if (r > 0)
            r = add_types(value, types, err);
        if (r < 0)
            return r;
        at = next;
    }
    return 0;
}

/* ---- answers ---- */

static bool append(const struct wr_store_event *event, void *data)
{
    wr_event_write_api(data, event);
    return true;
}

static void list(struct wr_exchange *ex, const struct wr_api_request *request,
                 const char *sandbox_id)
{
    struct wr_server *server = request->server;
    wr_auto_buf body = WR_BUF(PAGE_BYTES);
    char team_id[WR_UUID_LEN + 1];
    struct wr_store_event_query query = {.team_id = team_id, .sandbox_id = sandbox_id};
    uint64_t limit = LIMIT_DEFAULT;
    struct wr_error error = {0};
    struct wr_jw w;

    int r = wr_api_events_team(ex, &request->who, team_id, &error);
    if (r == 0)
        r = read_number(ex, "limit", 1, LIMIT_MAX, &limit, &error);
    if (r == 0)
        r = read_number(ex, "offset", 0, OFFSET_MAX, &query.offset, &error);
    if (r == 0)
        r = read_order(ex, &query.descending, &error);
    if (r == 0)
        r = read_types(ex, &query.types, &error);
    query.limit = (uint32_t)limit;
    wr_events_flush(server);
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    if (r == 0)
        r = wr_store_events_read(server->store, &query, append, &w, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

void wr_api_events(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    list(ex, data, "");
}

void wr_api_events_sandbox(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const char *param = match->params[0];
    size_t len = strcspn(param, "-"); /* "<id>-<clientID>", as old clients say */
    char id[WR_ID_LEN + 1];

    if (len != WR_ID_LEN || !wr_strformat(id, sizeof id, "%.*s", (int)len, param) ||
        !wr_id_valid(id)) {
        wr_api_error(ex, 400, "invalid sandbox ID");
        return;
    }
    list(ex, data, id);
}
