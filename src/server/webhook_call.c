#include "server/webhook_call.h"

#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/sha256.h"
#include "base/str.h"
#include "tls/context.h"

#define USER_AGENT "Warren-Webhooks/1"

void wr_webhook_sign(const char *secret, const void *body, size_t len,
                     char out[static WR_WEBHOOK_SIGNATURE + 1])
{
    unsigned char hash[WR_SHA256_LEN];
    char text[WR_BASE64_LEN(WR_SHA256_LEN)];
    struct wr_sha256 state;

    wr_sha256_init(&state);
    wr_sha256_update(&state, secret, strlen(secret));
    wr_sha256_update(&state, body, len);
    wr_sha256_final(&state, hash);
    (void)wr_base64_encode(hash, sizeof hash, text);
    memcpy(out, text, WR_WEBHOOK_SIGNATURE);
    out[WR_WEBHOOK_SIGNATURE] = '\0';
    explicit_bzero(&state, sizeof state);
}

bool wr_webhook_call_busy(const struct wr_webhook_call *call)
{
    return call->busy;
}

void wr_webhook_call_cancel(struct wr_webhook_call *call)
{
    wr_timer_stop(&call->timer);
    if (call->http)
        wr_http_call_cancel(wr_steal_ptr(&call->http));
    wr_intercept_upstream_close(&call->upstream);
    wr_buf_done(&call->body);
    call->busy = false;
}

/* ---- the end of a call ---- */

static void on_kept_long(struct wr_timer *timer, void *data)
{
    struct wr_webhook_call *call = data;

    (void)timer;
    wr_intercept_upstream_finish(&call->upstream);
}

static void tell(struct wr_webhook_call *call, const struct wr_error *error)
{
    wr_buf_done(&call->body);
    call->busy = false;
    call->fn(call, error ? 0 : call->status, error);
}

static void fail(struct wr_webhook_call *call, const struct wr_error *error)
{
    call->failure = *error;
    wr_webhook_call_cancel(call);
    tell(call, &call->failure);
}

/* The status is known, and the rest of the answer is not worth waiting for. */
static void cut(struct wr_webhook_call *call)
{
    wr_webhook_call_cancel(call);
    tell(call, NULL);
}

static void finish(struct wr_webhook_call *call)
{
    struct wr_error ignored = {0};

    wr_timer_stop(&call->timer);
    call->upstream.reused = true;
    if (!wr_intercept_upstream_usable(&call->upstream) ||
        wr_timer_start(call->way->loop, &call->timer, WR_WEBHOOK_KEEP_MS, on_kept_long, call,
                       &ignored) < 0)
        wr_intercept_upstream_finish(&call->upstream);
    tell(call, NULL);
}

static void on_timeout(struct wr_timer *timer, void *data)
{
    struct wr_webhook_call *call = data;
    struct wr_error error = {0};

    (void)timer;
    if (call->status) {
        cut(call);
        return;
    }
    (void)wr_fail(&error, WR_E_DEADLINE_EXCEEDED, 0, "no answer within %d s",
                  WR_WEBHOOK_CALL_MS / 1000);
    fail(call, &error);
}

/* ---- HTTP ---- */

static void on_head(struct wr_http_call *http, const struct wr_h1_head *head, void *data)
{
    struct wr_webhook_call *call = data;

    (void)http;
    call->status = head->status;
}

static void on_body(struct wr_http_call *http, const char *bytes, size_t len, void *data)
{
    struct wr_webhook_call *call = data;

    (void)http;
    (void)bytes;
    call->answered += len;
    if (call->answered > WR_WEBHOOK_ANSWER_MAX)
        cut(call);
}

static void connect_to(struct wr_webhook_call *call);

static void on_end(struct wr_http_call *http, const struct wr_error *error, void *data)
{
    struct wr_webhook_call *call = data;
    bool stale = error && call->upstream.reused && !wr_http_call_heard(http);

    call->http = NULL;
    if (!error) {
        finish(call);
    } else if (stale) {
        /* The receiver has closed a connection that it had kept: that is no failure. */
        wr_intercept_upstream_close(&call->upstream);
        wr_uuid_new(call->delivery_id);
        connect_to(call);
    } else if (call->status) {
        cut(call);
    } else {
        fail(call, error);
    }
}

static const struct wr_http_call_ops http_ops = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end};

static void send_request(struct wr_webhook_call *call)
{
    struct wr_error error = {0};

    if (wr_http_call_begin(call->upstream.conn, "POST", call->url->target, &http_ops, call,
                           &call->http, &error) < 0) {
        fail(call, &error);
        return;
    }
    wr_http_call_header(call->http, "Host", call->url->authority);
    wr_http_call_header(call->http, "User-Agent", USER_AGENT);
    wr_http_call_header(call->http, "Content-Type", "application/json");
    wr_http_call_header(call->http, "e2b-webhook-id", call->webhook_id);
    wr_http_call_header(call->http, "e2b-delivery-id", call->delivery_id);
    wr_http_call_header(call->http, "e2b-signature-version", "v1");
    wr_http_call_header(call->http, "e2b-signature", call->signature);
    wr_http_call_send(call->http, wr_buf_ptr(&call->body), call->body.len);
}

/* ---- the connection ---- */

static void on_connected(struct wr_intercept_upstream *upstream, const struct wr_error *error)
{
    struct wr_webhook_call *call = wr_container_of(upstream, struct wr_webhook_call, upstream);

    if (error)
        fail(call, error);
    else
        send_request(call);
}

static void connect_to(struct wr_webhook_call *call)
{
    struct wr_webhook_way *way = call->way;
    const struct wr_webhook_url *url = call->url;
    const struct wr_intercept_target target = {.loop = way->loop,
                                               .resolver = way->resolver,
                                               .guard = call->guard,
                                               .policy = way->policy,
                                               .group = &way->tls_group,
                                               .context = url->tls ? way->tls : NULL,
                                               .name = url->host,
                                               .address = url->is_address ? &url->address : NULL,
                                               .port = url->port};

    call->upstream.fn = on_connected;
    wr_intercept_upstream_start(&call->upstream, &target);
}

/* In the next round, as wr_webhook_call_start() promises. */
static void on_begin(struct wr_timer *timer, void *data)
{
    struct wr_webhook_call *call = data;
    struct wr_error error = {0};

    (void)timer;
    if (wr_timer_start(call->way->loop, &call->timer, WR_WEBHOOK_CALL_MS, on_timeout, call,
                       &error) < 0)
        fail(call, &error);
    else if (wr_intercept_upstream_usable(&call->upstream))
        send_request(call);
    else
        connect_to(call);
}

int wr_webhook_call_start(struct wr_webhook_call *call, struct wr_webhook_way *way,
                          const struct wr_webhook_message *message, struct wr_error *err)
{
    call->way = way;
    call->guard = message->guard;
    call->url = message->url;
    call->webhook_id = message->webhook_id;
    call->body = *message->body;
    *message->body = (struct wr_buf){0};
    call->status = 0;
    call->answered = 0;
    wr_uuid_new(call->delivery_id);
    wr_webhook_sign(message->secret, wr_buf_ptr(&call->body), call->body.len, call->signature);
    wr_timer_stop(&call->timer);
    if (!wr_intercept_upstream_usable(&call->upstream))
        wr_intercept_upstream_close(&call->upstream);
    int r =
        message->url->tls && !way->tls ? wr_tls_client_context_new(way->ca_pem, &way->tls, err) : 0;
    if (r == 0)
        r = wr_timer_start(way->loop, &call->timer, 0, on_begin, call, err);
    if (r < 0)
        wr_webhook_call_cancel(call);
    call->busy = r == 0;
    return r;
}
