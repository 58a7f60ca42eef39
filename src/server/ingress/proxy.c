#include "server/ingress/proxy.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "log/log.h"
#include "server/ingress/answers.h"
#include "server/ingress/tunnel.h"
#include "server/ingress/upstream.h"

#define HEADER_ID   "E2b-Sandbox-Id"
#define HEADER_PORT "E2b-Sandbox-Port"

struct proxy {
    struct wr_server *server;
    struct wr_exchange *ex; /* NULL once it is closed */
    struct wr_upstream *upstream;
    struct wr_http_call *call; /* NULL before and after */
    struct wr_dial dial;
    char id[WR_ID_LEN + 1];
    uint16_t port;
    bool dialling;
    bool streaming_request; /* the request has a body that is passed on */
    bool request_done;
    bool head_sent; /* the response has begun */
    bool retried;
    unsigned
        holds; /* callbacks that run: keeps the memory while the exchange may close under them */
};

/* Routes of the agent that its owner (this server) alone may call. */
static const char *const reserved_paths[] = {
    "/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade",
};

static void proxy_put(struct proxy *proxy)
{
    if (--proxy->holds == 0 && !proxy->ex && !proxy->call && !proxy->dialling)
        free(proxy);
}

static void proxy_hold(struct proxy *proxy)
{
    proxy->holds++;
}

/* Ends the upstream side at once. */
static void cut_upstream(struct proxy *proxy)
{
    if (proxy->dialling) {
        wr_dial_cancel(&proxy->dial);
        proxy->dialling = false;
    }
    if (proxy->call)
        wr_http_call_cancel(wr_steal_ptr(&proxy->call));
    if (proxy->upstream)
        wr_upstream_close(wr_steal_ptr(&proxy->upstream));
}

/* ---- upstream -> client ---- */

static void forward_headers(struct proxy *proxy, const struct wr_h1_head *head, bool upgrade)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *h = &head->headers[i];

        /* The framing is written anew by our side of each connection. */
        if (wr_memcaseeq(h->name, h->name_len, "content-length", 14))
            continue;
        if (!upgrade && wr_h1_is_hop_by_hop(head, h))
            continue;
        wr_exchange_header_n(proxy->ex, h->name, h->name_len, h->value, h->value_len);
    }
}

/* What the client is told: -1 is chunked. The answer to a HEAD has the length of a body that does
 * not come. */
static int64_t response_length(const struct proxy *proxy, const struct wr_h1_head *head)
{
    char text[24];
    uint64_t length = 0;

    if (wr_exchange_is(proxy->ex, "HEAD"))
        return wr_h1_get(head, "Content-Length", text, sizeof text) &&
                       wr_parse_u64(text, 0, INT64_MAX, &length) == 0
                   ? (int64_t)length
                   : -1;
    switch (head->framing) {
    case WR_H1_BODY_NONE:
        return 0;
    case WR_H1_BODY_LENGTH:
        return (int64_t)head->content_length;
    case WR_H1_BODY_CHUNKED:
    case WR_H1_BODY_UNTIL_CLOSE:
        return -1;
    }
    return -1;
}

static void on_response_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    struct proxy *proxy = data;

    (void)call;
    if (!proxy->ex)
        return;
    proxy->head_sent = true;
    proxy_hold(proxy);
    if (head->framing != WR_H1_BODY_NONE)
        wr_upstream_ack_now(proxy->upstream);
    wr_exchange_begin(proxy->ex, head->status);
    forward_headers(proxy, head, head->status == 101);
    if (head->status == 101) {
        struct wr_upstream *upstream = wr_steal_ptr(&proxy->upstream);
        struct wr_exchange *ex = wr_steal_ptr(&proxy->ex);
        /* Both connections leave HTTP; this proxy is over. */
        wr_tunnel_start(upstream, ex, wr_steal_ptr(&proxy->call));
    } else {
        wr_exchange_stream(proxy->ex, response_length(proxy, head));
    }
    proxy_put(proxy);
}

static void on_response_body(struct wr_http_call *call, const char *bytes, size_t len, void *data)
{
    struct proxy *proxy = data;

    if (!proxy->ex)
        return;
    proxy_hold(proxy);
    if (wr_exchange_write(proxy->ex, bytes, len) == WR_HTTP_FULL && proxy->call)
        wr_http_call_pause(call, true);
    proxy_put(proxy);
}

static void on_client_drain(struct wr_exchange *ex, void *data)
{
    struct proxy *proxy = data;

    (void)ex;
    if (proxy->call)
        wr_http_call_pause(proxy->call, false);
}

static void answer_failure(struct proxy *proxy, const struct wr_error *error)
{
    if (error->os_errno == ECONNREFUSED)
        wr_ingress_port_closed(proxy->ex, proxy->id, proxy->port);
    else if (!wr_sandbox_table_find(proxy->server->sandboxes, proxy->id))
        wr_ingress_no_sandbox(proxy->ex, proxy->id);
    else if (error->code == WR_E_RESOURCE_EXHAUSTED)
        wr_ingress_too_many(proxy->ex, proxy->id, WR_UPSTREAM_MAX_PER_SANDBOX);
    else
        wr_ingress_failed(proxy->ex, proxy->id, error);
}

static bool start_dial(struct proxy *proxy, bool fresh);

/* A kept connection that the service closed meanwhile failed before it said anything: a request
 * without a body is asked again. */
static bool may_retry(const struct proxy *proxy, const struct wr_upstream *upstream)
{
    return upstream->reused && !proxy->retried && !proxy->head_sent && !proxy->streaming_request &&
           proxy->ex;
}

static void on_response_end(struct wr_http_call *call, const struct wr_error *error, void *data)
{
    struct proxy *proxy = data;
    struct wr_upstream *upstream = wr_steal_ptr(&proxy->upstream);
    bool retry = error && may_retry(proxy, upstream);

    (void)call;
    proxy->call = NULL;
    proxy_hold(proxy);
    if (error)
        wr_upstream_close(upstream);
    else
        wr_upstream_release(upstream);
    if (retry) {
        proxy->retried = true;
        (void)start_dial(proxy, true);
    } else if (proxy->ex) {
        if (!error)
            wr_exchange_end(proxy->ex);
        else if (proxy->head_sent)
            wr_exchange_abort(proxy->ex);
        else
            answer_failure(proxy, error);
    }
    proxy_put(proxy);
}

/* ---- client -> upstream ---- */

static void on_request_body(struct wr_exchange *ex, const char *bytes, size_t len, void *data)
{
    struct proxy *proxy = data;

    /* Without a call the response is already under way: the rest of the request is dropped. */
    if (proxy->call && wr_http_call_write(proxy->call, bytes, len) == WR_HTTP_FULL)
        wr_exchange_pause(ex, true);
}

static void on_request_end(struct wr_exchange *ex, void *data)
{
    struct proxy *proxy = data;

    (void)ex;
    proxy->request_done = true;
    if (proxy->call && proxy->streaming_request)
        wr_http_call_end(proxy->call);
}

static void on_upstream_drain(struct wr_http_call *call, void *data)
{
    struct proxy *proxy = data;

    (void)call;
    if (proxy->ex)
        wr_exchange_pause(proxy->ex, false);
}

static void on_client_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct proxy *proxy = data;

    (void)ex;
    (void)aborted;
    proxy->ex = NULL;
    wr_server_touch(proxy->server);
    proxy_hold(proxy);
    cut_upstream(proxy);
    proxy_put(proxy);
}

static const struct wr_exchange_ops client_ops = {
    .on_body = on_request_body,
    .on_body_end = on_request_end,
    .on_drain = on_client_drain,
    .on_close = on_client_close,
};

static const struct wr_http_call_ops upstream_ops = {
    .on_head = on_response_head,
    .on_body = on_response_body,
    .on_drain = on_upstream_drain,
    .on_end = on_response_end,
};

/* The routing headers, Expect and the hop-by-hop ones end here. */
static bool forwarded(const struct wr_h1_head *head, const struct wr_h1_header *h)
{
    static const char *const own[] = {HEADER_ID, HEADER_PORT, "content-length", "expect"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(own); i++)
        if (wr_memcaseeq(h->name, h->name_len, own[i], strlen(own[i])))
            return false;
    if (head->upgrade && (wr_memcaseeq(h->name, h->name_len, "upgrade", 7) ||
                          wr_memcaseeq(h->name, h->name_len, "connection", 10)))
        return true;
    return !wr_h1_is_hop_by_hop(head, h);
}

static int begin_call(struct proxy *proxy, struct wr_error *err)
{
    const struct wr_h1_head *head = wr_exchange_head(proxy->ex);
    char method[WR_HTTP_MAX_METHOD + 1];
    wr_auto_free char *target = wr_strndup(head->target, head->target_len);

    if (!target || head->method_len > WR_HTTP_MAX_METHOD)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "request");
    memcpy(method, head->method, head->method_len);
    method[head->method_len] = '\0';
    int r = wr_http_call_begin(proxy->upstream->conn, method, target, &upstream_ops, proxy,
                               &proxy->call, err);
    if (r < 0)
        return r;
    proxy_hold(proxy);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *h = &head->headers[i];
        if (forwarded(head, h))
            wr_http_call_header_n(proxy->call, h->name, h->name_len, h->value, h->value_len);
    }
    if (proxy->streaming_request) {
        wr_http_call_stream(
            proxy->call, head->framing == WR_H1_BODY_LENGTH ? (int64_t)head->content_length : -1);
        if (proxy->call && proxy->request_done)
            wr_http_call_end(proxy->call);
    } else {
        wr_http_call_send(proxy->call, NULL, 0);
    }
    if (proxy->ex)
        wr_exchange_pause(proxy->ex, false);
    proxy_put(proxy);
    return 0;
}

static void on_dialled(struct wr_dial *dial, struct wr_upstream *upstream,
                       const struct wr_error *error)
{
    struct proxy *proxy = wr_container_of(dial, struct proxy, dial);
    struct wr_error own = {0};

    proxy->dialling = false;
    proxy_hold(proxy);
    if (!error) {
        proxy->upstream = upstream;
        if (begin_call(proxy, &own) < 0) {
            cut_upstream(proxy);
            error = &own;
        }
    }
    if (error && proxy->ex) {
        wr_exchange_pause(proxy->ex, false);
        answer_failure(proxy, error);
    }
    proxy_put(proxy);
}

/* False when the sandbox is gone (answered). */
static bool start_dial(struct proxy *proxy, bool fresh)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(proxy->server->sandboxes, proxy->id);

    if (!sandbox || sandbox->state != WR_SANDBOX_RUNNING) {
        wr_ingress_no_sandbox(proxy->ex, proxy->id);
        return false;
    }
    proxy->dialling = true;
    proxy->dial.port = proxy->port;
    proxy->dial.fn = on_dialled;
    wr_upstream_dial(proxy->server, sandbox, &proxy->dial, fresh);
    return true;
}

/* ---- entry ---- */

bool wr_proxy_wants(const struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);

    return wr_h1_find(head, HEADER_ID) || wr_h1_find(head, HEADER_PORT);
}

/* `<id>` or `<id>-<clientID>`. False: answered with 400. */
static bool read_route(struct wr_exchange *ex, char *id, size_t id_cap, uint64_t *ret_port)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    char port[8];

    if (!wr_h1_find(head, HEADER_ID) || !wr_h1_find(head, HEADER_PORT)) {
        wr_ingress_bad_request(ex, "missing header");
        return false;
    }
    if (!wr_h1_get(head, HEADER_ID, id, id_cap)) {
        wr_ingress_bad_request(ex, "Invalid sandbox ID");
        return false;
    }
    char *dash = strchr(id, '-');
    if (dash && !strchr(dash + 1, '-'))
        *dash = '\0';
    if (!wr_str_only(id, "abcdefghijklmnopqrstuvwxyz0123456789", 1, id_cap)) {
        wr_ingress_bad_request(ex, "Invalid sandbox ID");
        return false;
    }
    if (!wr_h1_get(head, HEADER_PORT, port, sizeof port) ||
        wr_parse_u64(port, 1, 65535, ret_port) < 0) {
        wr_ingress_bad_request(ex, "Invalid sandbox port");
        return false;
    }
    return true;
}

void wr_proxy_handle(struct wr_server *server, struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    char id[64];
    uint64_t port = 0;

    if (!read_route(ex, id, sizeof id, &port))
        return;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, id);
    if (!sandbox || sandbox->state != WR_SANDBOX_RUNNING) {
        wr_ingress_no_sandbox(ex, id);
        return;
    }
    for (size_t i = 0; port == WR_AGENT_PORT && i < WR_ARRAY_SIZE(reserved_paths); i++) {
        if (wr_streq(wr_exchange_path(ex), reserved_paths[i])) {
            wr_ingress_reserved(ex, reserved_paths[i]);
            return;
        }
    }
    struct proxy *proxy = wr_calloc(1, sizeof *proxy);
    if (!proxy) {
        struct wr_error error = {0};
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "ingress");
        wr_ingress_failed(ex, id, &error);
        return;
    }
    proxy->server = server;
    proxy->ex = ex;
    proxy->port = (uint16_t)port;
    proxy->streaming_request = head->framing == WR_H1_BODY_CHUNKED ||
                               (head->framing == WR_H1_BODY_LENGTH && head->content_length > 0);
    memcpy(proxy->id, sandbox->id, sizeof proxy->id);
    wr_exchange_set_ops(ex, &client_ops, proxy);
    wr_exchange_pause(ex, true);
    proxy_hold(proxy);
    (void)start_dial(proxy, false);
    proxy_put(proxy);
}
