#include "client/webhooks.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "client/request.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define TARGET_MAX 1024
#define UUID_LEN   36
#define SANDBOX_ID "abcdefghijklmnopqrstuvwxyz0123456789-"
#define TYPE_SET   "abcdefghijklmnopqrstuvwxyz.,"

static int get(struct wr_transport *transport, const char *target, json_t **ret,
               struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "GET", .target = target};
    wr_auto_json *answer = NULL;

    int r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && !json_is_array(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "GET %.40s: the answer is no array", target);
    if (r == 0)
        *ret = wr_steal_ptr(&answer);
    return r;
}

int wr_api_event_list(struct wr_transport *transport, const struct wr_api_event_query *query,
                      json_t **ret, struct wr_error *err)
{
    const char *id = query->sandbox_id, *types = query->types, *team = query->team_id;
    char target[TARGET_MAX];

    if (id && !wr_str_only(id, SANDBOX_ID, 1, 64))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.60s\" is not the id of a sandbox", id);
    if (types && !wr_str_only(types, TYPE_SET, 1, 512))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.60s\" is not a type of event", types);
    if (!wr_strformat(target, sizeof target, "/events/sandboxes%s%s?limit=%llu%s%s%s%s",
                      id ? "/" : "", id ? id : "", (unsigned long long)query->limit,
                      team ? "&teamID=" : "", team ? team : "", types ? "&types=" : "",
                      types ? types : ""))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the question is too long");
    return get(transport, target, ret, err);
}

/* "/events/webhooks[/<id>][<behind>]"; the last may be a query. */
static int write_target(const char *id, const char *behind, char out[static TARGET_MAX],
                        struct wr_error *err)
{
    if (*id && !wr_str_only(id, "0123456789abcdef-", UUID_LEN, UUID_LEN))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "\"%.60s\" is not the id of a webhook", id);
    return wr_strformat(out, TARGET_MAX, "/events/webhooks%s%s%s", *id ? "/" : "", id, behind)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the question is too long");
}

static int team_target(const char *team_id, char out[static TARGET_MAX], struct wr_error *err)
{
    char query[64] = "";

    if (team_id && !wr_strformat(query, sizeof query, "?teamID=%s", team_id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the team's id is too long");
    return write_target("", query, out, err);
}

static int post(struct wr_transport *transport, const char *target, const struct wr_buf *body,
                json_t **ret, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "POST",
                                                 .target = target,
                                                 .content_type = "application/json",
                                                 .body = wr_buf_ptr(body),
                                                 .body_len = body->len};
    wr_auto_json *answer = NULL;

    int r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && !json_is_object(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "POST %.40s: the answer has another form", target);
    if (r == 0)
        *ret = wr_steal_ptr(&answer);
    return r;
}

int wr_api_webhook_create(struct wr_transport *transport, const struct wr_api_webhook_wish *wish,
                          json_t **ret, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(64 * 1024);
    char target[TARGET_MAX];
    struct wr_jw w;

    body.wipe = true;
    int r = team_target(wish->team_id, target, err);
    if (r < 0)
        return r;
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "name", wish->name);
    wr_jw_kstr(&w, "url", wish->url);
    wr_jw_key(&w, "events");
    wr_jw_array(&w);
    for (size_t i = 0; i < wish->event_count; i++)
        wr_jw_str(&w, wish->events[i]);
    wr_jw_end(&w);
    wr_jw_kstr(&w, "signatureSecret", wish->secret);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the URL is too long");
    return post(transport, target, &body, ret, err);
}

int wr_api_webhook_list(struct wr_transport *transport, const char *team_id, json_t **ret,
                        struct wr_error *err)
{
    char target[TARGET_MAX];

    int r = team_target(team_id, target, err);
    return r < 0 ? r : get(transport, target, ret, err);
}

int wr_api_webhook_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
{
    char target[TARGET_MAX];
    const struct wr_transport_request request = {.method = "DELETE", .target = target};

    int r = write_target(id, "", target, err);
    return r < 0 ? r : wr_transport_request(transport, &request, 0, NULL, err);
}

int wr_api_webhook_test(struct wr_transport *transport, const char *id, json_t **ret,
                        struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(8);
    char target[TARGET_MAX];

    int r = write_target(id, "/test", target, err);
    if (r == 0 && wr_buf_append_str(&body, "{}") < 0)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "test of a webhook");
    return r < 0 ? r : post(transport, target, &body, ret, err);
}
