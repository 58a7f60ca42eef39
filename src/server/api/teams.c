#include "server/api/teams.h"

#include "base/clock.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/keys.h"
#include "server/api/op.h"
#include "server/api/time_range.h"
#include "server/request.h"
#include "server/server.h"

#define TEAMS_MAX_BODY  4096
#define TEAMS_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define RANGE_MS        ((uint64_t)7 * 24 * 3600 * 1000) /* without a start: as long as it is kept */

/* ---- list, create ---- */

/* `apiKey` is of the protocol's shape. Keys are not kept, so there is none to show. */
static void write_team(struct wr_jw *w, const struct wr_team *team, bool is_default)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "teamID", team->id);
    wr_jw_kstr(w, "name", team->name);
    wr_jw_kstr(w, "slug", team->slug);
    wr_jw_kstr(w, "apiKey", "");
    wr_jw_kbool(w, "isDefault", is_default);
    wr_jw_end(w);
}

struct list {
    struct wr_jw w;
    const struct wr_principal *who;
};

static bool append_team(const struct wr_team *team, void *data)
{
    struct list *list = data;

    if (wr_principal_may_see(list->who, team->id))
        write_team(&list->w, team, wr_streq(team->id, list->who->team_id));
    return true;
}

void wr_api_teams_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(TEAMS_MAX_BYTES);
    struct list list = {.who = &request->who};
    struct wr_error error = {0};

    (void)match;
    wr_jw_init(&list.w, &body);
    wr_jw_array(&list.w);
    int r = wr_store_team_each(request->server->store, append_team, &list, &error);
    wr_jw_end(&list.w);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, wr_jw_finish(&list.w));
}

/* "Blue Team!" -> "blue-team": what is allowed in the names of templates. */
static void make_slug(const char *name, char out[static WR_STORE_NAME_MAX + 1])
{
    size_t len = 0;

    for (const char *p = name; *p && len < WR_STORE_NAME_MAX; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (good)
            out[len++] = c;
        else if (len > 0 && out[len - 1] != '-')
            out[len++] = '-';
    }
    while (len > 0 && out[len - 1] == '-')
        len--;
    out[len] = '\0';
}

static int read_create(const struct wr_api_op *op, const char *body, size_t len,
                       struct wr_team *team, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    const char *name = "";
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name},
    };

    int r = wr_json_parse(body, len, &json, err);
    if (r == 0)
        r = wr_api_body_read(op, json, fields, WR_ARRAY_SIZE(fields), err);
    if (r == 0)
        r = wr_api_name_check(name, err);
    if (r < 0)
        return r;
    make_slug(name, team->slug);
    if (!*team->slug)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: needs a letter or digit of ASCII");
    return wr_strcopy(team->name, sizeof team->name, name)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: too long");
}

static void on_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct wr_api_op *op = data;
    struct wr_team team = {.created_ms = wr_wall_ms()};
    struct wr_error error = {0};

    wr_uuid_new(team.id);
    int r = read_create(op, body, len, &team, &error);
    if (r == 0)
        r = wr_store_team_add(op->server->store, &team, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    wr_auto_buf answer = WR_BUF(4096);
    struct wr_jw w;
    wr_jw_init(&w, &answer);
    write_team(&w, &team, false);
    wr_api_reply_json(ex, 201, &answer, wr_jw_finish(&w));
}

void wr_api_teams_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct wr_api_op *op = NULL;

    (void)match;
    if (!request->who.is_operator) {
        wr_api_error(ex, 403, "teams are made by the operator of this server");
        return;
    }
    op = wr_api_op_new(request, ex);
    if (op)
        wr_exchange_collect(ex, TEAMS_MAX_BODY, on_create_body, wr_api_op_on_close, op);
}

/* ---- metrics ---- */

/* False: answered. */
static bool read_query(struct wr_exchange *ex, const struct wr_api_request *request,
                       const char *team_id, struct wr_metrics_query *out)
{
    uint64_t now_ms = wr_wall_ms();
    struct wr_time_range range = {.start_ms = now_ms - RANGE_MS, .end_ms = now_ms};
    struct wr_error error = {0};

    if (!wr_principal_may_see(&request->who, team_id)) {
        wr_api_error(ex, 403, "you don't have access to the metrics of this team");
        return false;
    }
    int r = wr_time_range_read(ex, now_ms, &range, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return false;
    }
    *out = (struct wr_metrics_query){.of_id = team_id,
                                     .start_ms = range.start_ms,
                                     .end_ms = range.end_ms,
                                     .step_s = wr_time_range_step_s(&range)};
    return true;
}

static void append_metric(const struct wr_team_metric *metric, void *data)
{
    struct wr_jw *w = data;

    wr_jw_object(w);
    wr_time_write(w, metric->at_ms);
    wr_jw_ku64(w, "concurrentSandboxes", metric->sandboxes);
    wr_jw_key(w, "sandboxStartRate");
    wr_jw_double(w, metric->starts_per_s, 3);
    wr_jw_end(w);
}

void wr_api_teams_metrics(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(TEAMS_MAX_BYTES);
    struct wr_metrics_query query;
    struct wr_error error = {0};
    struct wr_jw w;

    if (!read_query(ex, request, match->params[0], &query))
        return;
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    int r = wr_store_team_metrics_read(request->server->store, &query, append_metric, &w, &error);
    wr_jw_end(&w);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

struct maximum {
    bool rate; /* of starts, else of sandboxes */
    double value;
    uint64_t at_ms;
};

static void find_maximum(const struct wr_team_metric *metric, void *data)
{
    struct maximum *max = data;
    double value = max->rate ? metric->starts_per_s : (double)metric->sandboxes;

    if (value > max->value) {
        max->value = value;
        max->at_ms = metric->at_ms;
    }
}

void wr_api_teams_metrics_max(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(4096);
    struct maximum max = {.at_ms = wr_wall_ms()};
    struct wr_metrics_query query;
    struct wr_error error = {0};
    char name[32] = "";
    struct wr_jw w;

    if (!read_query(ex, request, match->params[0], &query))
        return;
    int r = wr_exchange_query(ex, "metric", name, sizeof name, &error);
    max.rate = wr_streq(name, "sandbox_start_rate");
    if (r < 0 || (!max.rate && !wr_streq(name, "concurrent_sandboxes"))) {
        wr_api_error(ex, 400, "metric: concurrent_sandboxes or sandbox_start_rate");
        return;
    }
    query.step_s = 1; /* every sample counts */
    r = wr_store_team_metrics_read(request->server->store, &query, find_maximum, &max, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_time_write(&w, max.at_ms);
    wr_jw_key(&w, "value");
    wr_jw_double(&w, max.value, 3);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}
