#include "server/api/webhooks.h"

#include <string.h>

#include "base/rand.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/events.h"
#include "server/api/keys.h"
#include "server/api/op.h"
#include "server/api/sandbox_json.h"
#include "server/server.h"
#include "server/webhooks.h"

#define MAX_BODY    (32 * 1024)
#define LIST_BYTES  ((size_t)8 * 1024 * 1024)
#define SECRET_MADE 40 /* characters */
#define EVENTS_MAX  32 /* names in one request */

/* ---- answers ---- */

static void write_events(struct wr_jw *w, wr_event_set types)
{
    wr_jw_key(w, "events");
    wr_jw_array(w);
    for (size_t i = 0; i < WR_EVENT_TYPES; i++)
        if (types & ((wr_event_set)1 << i))
            wr_jw_str(w, wr_event_type_name(i));
    wr_jw_end(w);
}

static void write_time(struct wr_jw *w, const char *name, uint64_t ms)
{
    if (ms)
        wr_api_write_time(w, name, ms);
}

/* What E2B does not have: how it goes. */
static void write_status(struct wr_jw *w, const struct wr_webhook *webhook)
{
    const struct wr_webhook_counts *counts = &webhook->row.counts;
    bool failing = webhook->queue.failures > 0 || counts->failure[0];

    wr_jw_key(w, "status");
    wr_jw_object(w);
    wr_jw_kstr(w, "state", !webhook->row.enabled ? "disabled" : failing ? "failing" : "ok");
    wr_jw_ku64(w, "waiting", webhook->queue.count);
    wr_jw_ku64(w, "delivered", counts->delivered);
    wr_jw_ku64(w, "dropped", counts->dropped);
    write_time(w, "deliveredAt", counts->delivered_ms);
    write_time(w, "failedAt", counts->failed_ms);
    wr_jw_kstr(w, "failure", counts->failure[0] ? counts->failure : NULL);
    wr_jw_end(w);
}

static void write_webhook(struct wr_jw *w, const struct wr_webhook *webhook, const char *secret)
{
    const struct wr_store_webhook *row = &webhook->row;

    wr_jw_object(w);
    wr_jw_kstr(w, "id", row->id);
    wr_jw_kstr(w, "teamId", row->team_id);
    wr_jw_kstr(w, "teamID", row->team_id);
    wr_jw_kstr(w, "name", row->name);
    wr_api_write_time(w, "createdAt", row->created_ms);
    wr_jw_kbool(w, "enabled", row->enabled);
    wr_jw_kstr(w, "url", row->url);
    write_events(w, row->types);
    wr_jw_kstr(w, "signatureSecret", secret);
    write_status(w, webhook);
    wr_jw_end(w);
}

/* `secret` NULL: it is the client's own. */
static void reply(struct wr_exchange *ex, int status, const struct wr_webhook *webhook,
                  const char *secret)
{
    wr_auto_buf body = WR_BUF(64 * 1024);
    struct wr_jw w;

    body.wipe = true;
    wr_jw_init(&w, &body);
    write_webhook(&w, webhook, secret);
    if (wr_jw_finish(&w) < 0) {
        wr_api_error(ex, 503, "out of memory");
        return;
    }
    wr_exchange_begin(ex, status);
    wr_exchange_header(ex, "Content-Type", "application/json");
    wr_exchange_header(ex, "Cache-Control", "no-store");
    wr_exchange_send(ex, wr_buf_ptr(&body), body.len);
}

/* NULL: answered. Those of other teams are not there. */
static struct wr_webhook *find(struct wr_exchange *ex, struct wr_server *server,
                               const struct wr_principal *who, const char *id)
{
    struct wr_webhook *webhook = wr_webhooks_find(server->webhooks, id);

    if (webhook && wr_principal_may_see(who, webhook->row.team_id))
        return webhook;
    wr_api_error(ex, 404, "Webhook not found");
    return NULL;
}

void wr_api_webhooks_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(LIST_BYTES);
    char team_id[WR_UUID_LEN + 1];
    struct wr_error error = {0};
    struct wr_jw w;

    (void)match;
    if (wr_api_events_team(ex, &request->who, team_id, &error) < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    wr_list_foreach(it, &request->server->webhooks->all) {
        const struct wr_webhook *webhook = wr_list_entry(it, struct wr_webhook, link);
        if (!team_id[0] || wr_streq(webhook->row.team_id, team_id))
            write_webhook(&w, webhook, NULL);
    }
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

void wr_api_webhooks_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const struct wr_webhook *webhook = find(ex, request->server, &request->who, match->params[0]);

    if (webhook)
        reply(ex, 200, webhook, NULL);
}

void wr_api_webhooks_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct wr_webhook *webhook = find(ex, request->server, &request->who, match->params[0]);
    struct wr_error error = {0};

    if (!webhook)
        return;
    if (wr_webhook_remove(webhook, &error) < 0)
        wr_api_fail(ex, &error);
    else
        wr_exchange_reply(ex, 200, "application/json", "{}", 2);
}

/* ---- what a request says ---- */

static int read_events(const json_t *events, wr_event_set *types, struct wr_error *err)
{
    const json_t *event;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)events, i, event) {
        const char *name = json_string_value(event);
        wr_event_set bit = name ? wr_event_type_bit(name) : 0;
        if (!bit)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "events: there is no event type '%.60s'; there is for example %s",
                           name ? name : "", wr_event_type_name(0));
        *types |= bit;
    }
    return *types ? 0
                  : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "events: at least one has to be named");
}

/* The strings of `wish` are those of `*json`. */
static int read_wish(const struct wr_api_op *op, const char *body, size_t len, bool is_new,
                     json_t **json, struct wr_webhook_wish *wish, struct wr_error *err)
{
    json_t *events = NULL;
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = is_new, .ret = &wish->name},
        {.name = "url",
         .kind = WR_JSON_STRING,
         .required = is_new,
         .ret = &wish->url,
         .max = WR_WEBHOOK_URL_MAX},
        {.name = "enabled", .kind = WR_JSON_BOOL, .ret = &wish->enabled},
        {.name = "events",
         .kind = WR_JSON_ARRAY,
         .required = is_new,
         .ret = &events,
         .max = EVENTS_MAX},
        {.name = "signatureSecret",
         .kind = WR_JSON_STRING,
         .ret = &wish->secret,
         .max = WR_WEBHOOK_SECRET_MAX},
    };

    int r = wr_json_parse(body, len, json, err);
    if (r == 0)
        r = wr_api_body_read(op, *json, fields, WR_ARRAY_SIZE(fields), err);
    if (r == 0 && wish->name)
        r = wr_api_name_check(wish->name, err);
    if (r == 0 && events)
        r = read_events(events, &wish->types, err);
    if (r == 0 && wish->secret && !*wish->secret)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "signatureSecret: is empty");
    return r;
}

/* The tree's copy of the secret is its own memory. */
static void forget(json_t *json)
{
    const char *secret = json_string_value(json_object_get(json, "signatureSecret"));

    if (secret)
        explicit_bzero((char *)(uintptr_t)secret, strlen(secret));
    json_decref(json);
}

static void on_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct wr_api_op *op = data;
    struct wr_webhook_wish wish = {.enabled = true, .by_operator = op->who.is_operator};
    char team_id[WR_UUID_LEN + 1], made[SECRET_MADE + 1] = "";
    struct wr_webhook *webhook = NULL;
    struct wr_error error = {0};
    json_t *json = NULL;

    int r = wr_api_events_team(ex, &op->who, team_id, &error);
    if (r == 0)
        r = read_wish(op, body, len, true, &json, &wish, &error);
    if (r == 0 && !wish.secret) {
        wr_random_id(made, SECRET_MADE);
        wish.secret = made;
    }
    if (r == 0)
        r = wr_webhook_add(op->server->webhooks, *team_id ? team_id : op->who.team_id, &wish,
                           &webhook, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        reply(ex, 201, webhook, made[0] ? made : NULL);
    explicit_bzero(made, sizeof made);
    forget(json);
}

static void on_change_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct wr_api_op *op = data;
    struct wr_webhook *webhook = find(ex, op->server, &op->who, op->id);
    struct wr_webhook_wish wish = {.by_operator = op->who.is_operator};
    struct wr_error error = {0};
    json_t *json = NULL;

    if (!webhook)
        return;
    wish.enabled = webhook->row.enabled;
    int r = read_wish(op, body, len, false, &json, &wish, &error);
    if (r == 0)
        r = wr_webhook_change(webhook, &wish, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        reply(ex, 200, webhook, NULL);
    forget(json);
}

static void collect(struct wr_exchange *ex, const struct wr_api_request *request, const char *id,
                    void (*fn)(struct wr_exchange *ex, const char *body, size_t len, void *data))
{
    struct wr_api_op *op = wr_api_op_new(request, ex);

    if (!op)
        return;
    /* What is too long is no id. */
    if (!wr_strcopy(op->id, sizeof op->id, id))
        op->id[0] = '\0';
    wr_exchange_collect(ex, MAX_BODY, fn, wr_api_op_on_close, op);
    wr_exchange_wipe_body(ex);
}

void wr_api_webhooks_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    collect(ex, data, "", on_create_body);
}

void wr_api_webhooks_change(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    collect(ex, data, match->params[0], on_change_body);
}

/* ---- test ---- */

static void on_tested(const struct wr_webhook_outcome *outcome, void *data)
{
    struct wr_api_op *op = data;
    wr_auto_buf body = WR_BUF(4096);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kbool(&w, "delivered", outcome->status >= 200 && outcome->status < 300);
    if (outcome->status)
        wr_jw_ku64(&w, "status", (uint64_t)outcome->status);
    wr_jw_kstr(&w, "failure", outcome->error ? outcome->error->msg : NULL);
    wr_jw_kstr(&w, "deliveryID", outcome->delivery_id);
    wr_jw_ku64(&w, "durationMs", outcome->took_ms);
    wr_jw_end(&w);
    if (op->ex)
        wr_api_reply_json(op->ex, 200, &body, wr_jw_finish(&w));
    wr_api_op_end(op);
}

void wr_api_webhooks_test(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct wr_webhook *webhook = find(ex, request->server, &request->who, match->params[0]);
    struct wr_api_op *op = webhook ? wr_api_op_new(request, ex) : NULL;
    struct wr_error error = {0};

    if (!op)
        return;
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    op->busy = true;
    if (wr_webhook_test(webhook, on_tested, op, &error) == 0)
        return;
    op->busy = false;
    wr_api_fail(ex, &error);
}
