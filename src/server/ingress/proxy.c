#include "server/ingress/proxy.h"

#include <errno.h>

#include "base/alloc.h"
#include "server/ingress/answers.h"
#include "server/ingress/dial.h"
#include "server/ingress/forward.h"
#include "server/ingress/route.h"
#include "server/ingress/tunnel.h"
#include "server/ingress/wake.h"
#include "server/ingress/waking.h"

#define MAX_MASKED_HOST 512 /* bytes */

struct proxy {
    struct wr_server *server;
    const struct wr_proxy_rules *rules;
    struct wr_exchange *ex; /* NULL once it is closed */
    struct wr_upstream *upstream;
    struct wr_http_call *call; /* NULL before and after */
    struct wr_dial dial;
    char id[WR_ID_LEN + 1];
    uint16_t port;
    bool tls; /* the client is behind a socket pair */
    bool dialling;
    bool streaming_request; /* the request has a body that is passed on */
    bool request_done;
    bool head_sent; /* the response has begun */
    bool retried;
    unsigned
        holds; /* callbacks that run: keeps the memory while the exchange may close under them */
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

/* `error` NULL: there is no sandbox. */
static void answer_failure(struct proxy *proxy, const struct wr_error *error)
{
    const struct wr_proxy_failure failure = {
        .server = proxy->server,
        .id = proxy->id,
        .port = proxy->port,
        .error = proxy->rules->find(proxy->server, proxy->id) ? error : NULL,
    };

    proxy->rules->fail(proxy->ex, &failure);
}

/* A service may leave HTTP only when its client has asked for that and has nothing more to say in
 * it: behind a proxy, the connection of a client that has not is shared with other requests. */
static bool may_upgrade(const struct proxy *proxy)
{
    return !proxy->rules->own_credentials && wr_exchange_head(proxy->ex)->upgrade &&
           (!proxy->streaming_request || proxy->request_done);
}

static void upgrade(struct proxy *proxy, const struct wr_h1_head *head)
{
    struct wr_upstream *upstream = wr_steal_ptr(&proxy->upstream);
    struct wr_exchange *ex = wr_steal_ptr(&proxy->ex);

    wr_exchange_begin(ex, head->status);
    wr_forward_response(ex, head, true);
    /* Both connections leave HTTP; this proxy is over. */
    wr_tunnel_start(upstream, ex, wr_steal_ptr(&proxy->call), proxy->tls);
}

static void on_response_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    struct proxy *proxy = data;
    struct wr_error error = {0};

    if (!proxy->ex)
        return;
    proxy_hold(proxy);
    if (head->status != 101) {
        proxy->head_sent = true;
        if (!wr_http_call_arrived(call))
            wr_upstream_ack_now(proxy->upstream);
        wr_exchange_begin(proxy->ex, head->status);
        wr_forward_response(proxy->ex, head, false);
        wr_exchange_stream(proxy->ex, wr_forward_length(head, wr_exchange_is(proxy->ex, "HEAD")));
    } else if (may_upgrade(proxy)) {
        upgrade(proxy, head);
    } else {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, 0,
                      "the service in the sandbox switched protocols without being asked to");
        cut_upstream(proxy);
        answer_failure(proxy, &error);
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

static bool start_dial(struct proxy *proxy, bool fresh);

/* A kept connection that the service closed meanwhile failed before it said anything: a request
 * without a body is asked again, unless twice is not the same as once (RFC 9110 9.2.2). */
static bool may_retry(const struct proxy *proxy, const struct wr_upstream *upstream)
{
    return upstream->reused && !proxy->retried && !proxy->head_sent && !proxy->streaming_request &&
           proxy->ex && !wr_exchange_is(proxy->ex, "POST") && !wr_exchange_is(proxy->ex, "PATCH");
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
        else if (error->code == WR_E_UNAVAILABLE && proxy->port == WR_AGENT_PORT)
            /* The agent is PID 1: without it there is no sandbox, whoever hears of that first. */
            answer_failure(proxy, NULL);
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

/* The Host that the service is shown instead of the client's, in `out`; NULL when it is the
 * client's.
 */
static const char *masked_host(const struct proxy *proxy, char *out, size_t cap)
{
    const json_t *network = json_object_get(proxy->upstream->sandbox->settings, "network");
    const char *mask = json_string_value(json_object_get(network, "maskRequestHost"));

    if (!mask || proxy->port == WR_AGENT_PORT || !wr_forward_mask(mask, proxy->port, out, cap))
        return NULL;
    return out;
}

static int begin_call(struct proxy *proxy, struct wr_error *err)
{
    const struct wr_h1_head *head = wr_exchange_head(proxy->ex);
    char method[WR_HTTP_MAX_METHOD + 1], host[MAX_MASKED_HOST];
    wr_auto_free char *target =
        proxy->rules->target ? proxy->rules->target(head) : wr_forward_target(head);

    if (!target || head->method_len > WR_HTTP_MAX_METHOD)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "request");
    memcpy(method, head->method, head->method_len);
    method[head->method_len] = '\0';
    int r = wr_http_call_begin(proxy->upstream->conn, method, target, &upstream_ops, proxy,
                               &proxy->call, err);
    if (r < 0)
        return r;
    proxy_hold(proxy);
    wr_forward_request(proxy->call, head, masked_host(proxy, host, sizeof host),
                       proxy->rules->own_credentials ? proxy->upstream->sandbox->envd_token : NULL);
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

static void go_on(struct wr_server *server, struct wr_exchange *ex, const char *id, uint16_t port,
                  bool tls);

/* Paused meanwhile: the request has not begun yet, and waits as if it came now. */
static bool wake(struct proxy *proxy)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(proxy->server->sandboxes, proxy->id);

    if (!proxy->rules->wakes || !sandbox || sandbox->state == WR_SANDBOX_RUNNING ||
        sandbox->state == WR_SANDBOX_KILLING || !wr_waking_possible(sandbox))
        return false;
    wr_wake(
        &(struct wr_wake){proxy->server, wr_steal_ptr(&proxy->ex), proxy->port, proxy->tls, go_on},
        sandbox);
    return true;
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
        if (!wake(proxy))
            answer_failure(proxy, error);
    }
    proxy_put(proxy);
}

/* False when the sandbox is gone (answered). */
static bool start_dial(struct proxy *proxy, bool fresh)
{
    struct wr_sandbox *sandbox = proxy->rules->find(proxy->server, proxy->id);

    if (!sandbox) {
        answer_failure(proxy, NULL);
        return false;
    }
    proxy->dialling = true;
    proxy->dial.port = proxy->port;
    proxy->dial.fn = on_dialled;
    wr_dial_start(&proxy->dial, proxy->server, sandbox, fresh);
    return true;
}

/* ---- entry ---- */

static void start(struct wr_server *server, struct wr_exchange *ex,
                  const struct wr_proxy_rules *rules, const char *id, uint16_t port, bool tls)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    struct proxy *proxy = wr_calloc(1, sizeof *proxy);
    struct wr_error error = {0};

    if (!proxy) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "ingress");
        wr_exchange_pause(ex, false);
        rules->fail(ex, &(struct wr_proxy_failure){server, id, port, &error});
        return;
    }
    proxy->server = server;
    proxy->ex = ex;
    proxy->rules = rules;
    proxy->port = port;
    proxy->tls = tls;
    proxy->streaming_request = head->framing == WR_H1_BODY_CHUNKED ||
                               (head->framing == WR_H1_BODY_LENGTH && head->content_length > 0);
    memcpy(proxy->id, id, sizeof proxy->id);
    wr_exchange_set_ops(ex, &client_ops, proxy);
    wr_exchange_pause(ex, true);
    proxy_hold(proxy);
    (void)start_dial(proxy, false);
    proxy_put(proxy);
}

void wr_proxy_start(struct wr_server *server, struct wr_exchange *ex,
                    const struct wr_proxy_rules *rules, const char *id, uint16_t port)
{
    start(server, ex, rules, id, port, false);
}

/* ---- clients of sandboxes ---- */

static struct wr_sandbox *find_running(const struct wr_server *server, const char *id)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, id);

    return sandbox && sandbox->state == WR_SANDBOX_RUNNING ? sandbox : NULL;
}

static void fail(struct wr_exchange *ex, const struct wr_proxy_failure *failure)
{
    const struct wr_error *error = failure->error;

    if (!error)
        wr_ingress_no_sandbox(ex, failure->id);
    else if (error->os_errno == ECONNREFUSED)
        wr_ingress_port_closed(ex, failure->id, failure->port);
    else if (error->code == WR_E_RESOURCE_EXHAUSTED)
        wr_ingress_too_many(ex, failure->id, wr_upstream_limit(failure->server));
    else
        wr_ingress_failed(ex, failure->id, error);
}

static const struct wr_proxy_rules client_rules = {
    .find = find_running, .fail = fail, .wakes = true};

static void go_on(struct wr_server *server, struct wr_exchange *ex, const char *id, uint16_t port,
                  bool tls)
{
    start(server, ex, &client_rules, id, port, tls);
}

/* The sandbox that the request may reach, or NULL: answered, or to be answered when it is awake. */
static struct wr_sandbox *admit(const struct wr_listener *listener, struct wr_exchange *ex,
                                struct wr_ingress_route *ret)
{
    const char *bad = wr_ingress_route_read(listener, ex, ret);

    if (bad) {
        wr_ingress_bad_request(ex, bad);
        return NULL;
    }
    struct wr_sandbox *sandbox = wr_sandbox_table_find(listener->server->sandboxes, ret->id);
    if (!sandbox || sandbox->state == WR_SANDBOX_KILLING) {
        wr_ingress_no_sandbox(ex, ret->id);
        return NULL;
    }
    if (sandbox->state != WR_SANDBOX_RUNNING) {
        wr_wake(&(struct wr_wake){listener->server, ex, ret->port, listener->tls, go_on}, sandbox);
        return NULL;
    }
    enum wr_ingress_access access =
        wr_ingress_access_check(sandbox, ret->port, wr_exchange_head(ex));
    if (access != WR_ACCESS_GRANTED) {
        wr_ingress_forbidden(ex, ret->id, access);
        return NULL;
    }
    const char *reserved = wr_ingress_reserved_path(ex, ret->port);
    if (reserved) {
        wr_ingress_reserved(ex, reserved);
        return NULL;
    }
    return sandbox;
}

void wr_proxy_handle(const struct wr_listener *listener, struct wr_exchange *ex)
{
    struct wr_ingress_route route;
    const struct wr_sandbox *sandbox = admit(listener, ex, &route);

    if (sandbox)
        start(listener->server, ex, &client_rules, sandbox->id, route.port, listener->tls);
}
