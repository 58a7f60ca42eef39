/* One request of an intercepted connection: checked, sent on with the transform's fields, and its
 * response streamed back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "server/egress/intercept_conn.h"
#include "server/egress/intercept_headers.h"
#include "server/ingress/forward.h"
#include "server/store/store.h"

#define TUNNEL_REST (WR_HTTP_MAX_HEAD + WR_HTTP_READ_SIZE + WR_HTTP_OUT_MAX)

/* ---- the log ---- */

static void log_event(struct wr_intercepted *it, struct wr_net_event *event)
{
    event->kind = WR_NET_EVENT_HTTP;
    event->connection = it->opts.connection;
    event->port = it->opts.port;
    event->address = it->upstream.outbound.address;
    event->has_address = it->upstream.outbound.has_address;
    /* Both were checked for their length. */
    (void)snprintf(event->name, sizeof event->name, "%s", it->name);
    wr_net_log_add(it->opts.log, event);
}

/* Method and status, and what went wrong; nothing of fields, target or bodies. */
static void log_request(struct wr_intercepted *it)
{
    const struct wr_intercept_request *request = &it->request;
    struct wr_net_event event = {
        .verdict = request->denied ? WR_NET_DENY : WR_NET_ALLOW,
        .bytes_out = request->bytes_out,
        .bytes_in = request->bytes_in,
        .duration_ms = wr_loop_now_ms(it->shared->loop) - request->began_ms,
    };

    (void)snprintf(event.rule, sizeof event.rule, "%s", request->rule);
    (void)snprintf(event.detail, sizeof event.detail, "%s %d%s%s", request->said, request->status,
                   *request->problem ? " " : "", request->problem);
    log_event(it, &event);
}

void wr_intercept_request_refused(int status, const char *why, void *data)
{
    struct wr_intercepted *it = data;
    struct wr_net_event event = {.verdict = WR_NET_DENY};
    const char *reason = wr_starts_with(why, "bad HTTP head") ? strstr(why, ": ") : NULL;

    /* Where in the head it is is of no interest here. */
    (void)snprintf(event.rule, sizeof event.rule, "%.100s", reason ? reason + 2 : why);
    (void)snprintf(event.detail, sizeof event.detail, "%d", status);
    log_event(it, &event);
}

/* ---- answers of our own ---- */

static void answer(struct wr_intercepted *it, int status, const char *text)
{
    struct wr_intercept_request *request = &it->request;
    char body[400];
    int n = snprintf(body, sizeof body, "%s\n", text);

    request->status = status;
    request->answered = true;
    wr_exchange_pause(request->ex, false);
    wr_exchange_begin(request->ex, status);
    wr_exchange_header(request->ex, "Content-Type", "text/plain; charset=utf-8");
    wr_exchange_header(request->ex, "Cache-Control", "no-store");
    wr_exchange_send(request->ex, body, (size_t)WR_MIN(n, (int)sizeof body - 1));
}

static void answer_failure(struct wr_intercepted *it, const struct wr_error *error)
{
    struct wr_intercept_request *request = &it->request;
    char text[360];

    (void)snprintf(text, sizeof text, "Warren: no answer from %.100s: %.230s", it->name,
                   error->msg);
    (void)snprintf(request->problem, sizeof request->problem, "%.63s", error->msg);
    request->denied = error->code == WR_E_PERMISSION_DENIED;
    answer(it, 502, text);
}

/* ---- the end ---- */

/* Ends the server's side at once. */
static void cut_upstream(struct wr_intercepted *it)
{
    struct wr_intercept_request *request = &it->request;

    request->connecting = false;
    if (request->call)
        wr_http_call_cancel(wr_steal_ptr(&request->call));
    wr_intercept_upstream_close(&it->upstream);
}

static void on_client_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct wr_intercepted *it = data;
    struct wr_intercept_request *request = &it->request;

    (void)ex;
    request->ex = NULL;
    it->cut_short = aborted;
    if (aborted && !*request->problem)
        (void)snprintf(request->problem, sizeof request->problem, "cut");
    /* What is still under way belongs to a request that nobody waits for. */
    if (request->call || request->connecting)
        cut_upstream(it);
    log_request(it);
}

void wr_intercept_request_drop(struct wr_intercepted *it)
{
    if (it->request.ex)
        wr_exchange_abort(it->request.ex);
    cut_upstream(it);
}

/* ---- upgrade ---- */

static void on_tunnel_end(struct wr_relay *relay, int error, void *data)
{
    struct wr_intercepted *it = data;

    it->request.bytes_in = wr_relay_bytes(relay, 0);
    it->request.bytes_out = wr_relay_bytes(relay, 1);
    it->relay = NULL;
    wr_relay_free(relay);
    log_request(it);
    wr_intercepted_over(it, error ? wr_errno_text(error) : "closed");
}

/* Both connections leave HTTP: bytes are carried until both directions have ended. */
static void start_tunnel(struct wr_intercepted *it, struct wr_exchange *ex,
                         struct wr_http_call *call)
{
    static const struct wr_exchange_ops no_ops = {0};
    wr_auto_buf to_client = WR_BUF(TUNNEL_REST), to_server = WR_BUF(TUNNEL_REST);
    wr_auto_buf unsent = WR_BUF(WR_HTTP_OUT_MAX);
    struct wr_relay_opts opts = {.fds = {-1, -1},
                                 .first = {&to_client, &to_server},
                                 .pair = {true, it->opts.tls},
                                 .on_end = on_tunnel_end,
                                 .data = it};
    struct wr_error error = {0};

    it->upgraded = true;
    wr_exchange_set_ops(ex, &no_ops, NULL);
    opts.fds[0] = wr_exchange_hijack(ex, &to_server, &to_client);
    if (opts.fds[0] >= 0)
        opts.fds[1] = wr_http_call_hijack(call, &to_client, &unsent);
    if (opts.fds[0] < 0 || opts.fds[1] < 0 ||
        wr_buf_append(&to_server, wr_buf_ptr(&unsent), unsent.len) < 0) {
        (void)wr_close(opts.fds[0]);
        (void)wr_close(opts.fds[1]);
        cut_upstream(it);
        wr_intercepted_over(it, "out of memory");
        return;
    }
    it->upstream.conn = NULL; /* gone with its socket */
    wr_source_remove(&it->held);
    it->held_fd = wr_close(it->held_fd);
    if (wr_relay_start(it->shared->loop, &opts, &it->relay, &error) < 0)
        wr_intercepted_over(it, error.msg);
}

/* A server may leave HTTP only when its client has asked for that and has nothing more to say in
 * it. */
static bool may_upgrade(const struct wr_intercept_request *request)
{
    return wr_intercept_upgrades(wr_exchange_head(request->ex)) &&
           (!request->streaming || request->done);
}

static void upgrade(struct wr_intercepted *it, struct wr_http_call *call,
                    const struct wr_h1_head *head)
{
    struct wr_intercept_request *request = &it->request;
    struct wr_exchange *ex = NULL;
    struct wr_error error = {0};

    if (!may_upgrade(request)) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, 0,
                      "the server switched protocols without being asked to");
        cut_upstream(it);
        answer_failure(it, &error);
        return;
    }
    ex = wr_steal_ptr(&request->ex);
    request->call = NULL;
    request->status = head->status;
    wr_exchange_begin(ex, head->status);
    wr_forward_response(ex, head, true);
    start_tunnel(it, ex, call);
}

/* ---- server -> client ---- */

static void on_response_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    struct wr_intercepted *it = data;
    struct wr_intercept_request *request = &it->request;

    if (!request->ex)
        return;
    if (head->status == 101) {
        upgrade(it, call, head);
        return;
    }
    request->answered = true;
    request->status = head->status;
    request->until_close = head->framing == WR_H1_BODY_UNTIL_CLOSE;
    wr_exchange_begin(request->ex, head->status);
    wr_forward_response(request->ex, head, false);
    wr_exchange_stream(request->ex, wr_forward_length(head, wr_exchange_is(request->ex, "HEAD")));
}

static void on_response_body(struct wr_http_call *call, const char *bytes, size_t len, void *data)
{
    struct wr_intercepted *it = data;

    if (!it->request.ex)
        return;
    it->request.bytes_in += len;
    if (wr_exchange_write(it->request.ex, bytes, len) == WR_HTTP_FULL)
        wr_http_call_pause(call, true);
}

static void on_client_drain(struct wr_exchange *ex, void *data)
{
    struct wr_intercepted *it = data;

    (void)ex;
    if (it->request.call)
        wr_http_call_pause(it->request.call, false);
}

static void start_connecting(struct wr_intercepted *it);

/* A kept connection that the server closed meanwhile failed before it said anything: a request
 * without a body is asked again, unless twice is not the same as once (RFC 9110 9.2.2). */
static bool may_retry(const struct wr_intercepted *it)
{
    const struct wr_intercept_request *request = &it->request;

    return it->upstream.reused && !request->retried && !request->answered && !request->streaming &&
           request->ex && !wr_exchange_is(request->ex, "POST") &&
           !wr_exchange_is(request->ex, "PATCH");
}

static void end_response(struct wr_intercepted *it, const struct wr_error *error)
{
    struct wr_intercept_request *request = &it->request;

    if (!error && !(request->until_close && wr_intercept_upstream_truncated(&it->upstream)))
        wr_exchange_end(request->ex);
    else if (request->answered)
        wr_exchange_abort(request->ex);
    else
        answer_failure(it, error);
}

static void on_response_end(struct wr_http_call *call, const struct wr_error *error, void *data)
{
    struct wr_intercepted *it = data;
    struct wr_intercept_request *request = &it->request;
    bool retry = error && may_retry(it);

    (void)call;
    request->call = NULL;
    if (request->ex && !retry)
        end_response(it, error);
    if (wr_intercept_upstream_usable(&it->upstream))
        it->upstream.reused = true;
    else
        wr_intercept_upstream_close(&it->upstream);
    if (retry) {
        request->retried = true;
        start_connecting(it);
    }
}

/* ---- client -> server ---- */

static void on_request_body(struct wr_exchange *ex, const char *bytes, size_t len, void *data)
{
    struct wr_intercepted *it = data;

    it->request.bytes_out += len;
    /* Without a call the response is already under way: the rest of the request is dropped. */
    if (it->request.call && wr_http_call_write(it->request.call, bytes, len) == WR_HTTP_FULL)
        wr_exchange_pause(ex, true);
}

static void on_request_end(struct wr_exchange *ex, void *data)
{
    struct wr_intercepted *it = data;

    (void)ex;
    it->request.done = true;
    if (it->request.call && it->request.streaming)
        wr_http_call_end(it->request.call);
}

static void on_server_drain(struct wr_http_call *call, void *data)
{
    struct wr_intercepted *it = data;

    (void)call;
    if (it->request.ex)
        wr_exchange_pause(it->request.ex, false);
}

static const struct wr_exchange_ops client_ops = {
    .on_body = on_request_body,
    .on_body_end = on_request_end,
    .on_drain = on_client_drain,
    .on_close = on_client_close,
};

static const struct wr_http_call_ops server_ops = {
    .on_head = on_response_head,
    .on_body = on_response_body,
    .on_drain = on_server_drain,
    .on_end = on_response_end,
};

static int find_secret(const char *name, struct wr_buf *out, void *data, struct wr_error *err)
{
    const struct wr_intercepted *it = data;

    return wr_store_secret_value(it->shared->opts.store, it->team_id, name, out, err);
}

static void write_fields(struct wr_intercepted *it, const struct wr_h1_head *head,
                         const struct wr_buf *fields)
{
    struct wr_http_call *call = it->request.call;
    const char *name = NULL, *value = NULL;
    size_t pos = 0;

    if (!wr_h1_find(head, "Host"))
        wr_http_call_header(call, "Host", it->name); /* HTTP/1.0 */
    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        if (wr_intercept_passes(head, field, fields))
            wr_http_call_header_n(call, field->name, field->name_len, field->value,
                                  field->value_len);
    }
    while ((name = wr_intercept_next_field(fields, &pos, &value)))
        wr_http_call_header(call, name, value);
    /* Written anew: the client's may name fields that end here. */
    if (wr_intercept_upgrades(head))
        wr_http_call_header(call, "Connection", "Upgrade");
}

static int begin_call(struct wr_intercepted *it, struct wr_error *err)
{
    struct wr_intercept_request *request = &it->request;
    const struct wr_h1_head *head = wr_exchange_head(request->ex);
    const struct wr_net_transform *transform = wr_net_policy_transform(it->opts.policy, it->name);
    const struct wr_intercept_secrets secrets = {find_secret, it};
    wr_auto_free char *target = wr_forward_target(head);
    wr_auto_buf fields = WR_BUF(WR_INTERCEPT_FIELDS_MAX);

    fields.wipe = true;
    if (!target)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "request");
    int r = transform ? wr_intercept_fields(transform, it->opts.tls, &secrets, &fields, err) : 0;
    if (r == 0)
        r = wr_http_call_begin(it->upstream.conn, request->said, target, &server_ops, it,
                               &request->call, err);
    if (r < 0)
        return r;
    write_fields(it, head, &fields);
    if (request->streaming)
        wr_http_call_stream(
            request->call, head->framing == WR_H1_BODY_LENGTH ? (int64_t)head->content_length : -1);
    else
        wr_http_call_send(request->call, NULL, 0);
    if (request->streaming && request->done)
        wr_http_call_end(request->call);
    wr_exchange_pause(request->ex, false);
    return 0;
}

static void proceed(struct wr_intercepted *it)
{
    struct wr_error error = {0};

    if (begin_call(it, &error) == 0)
        return;
    /* The text is about the request and not about the way to the server. */
    (void)snprintf(it->request.problem, sizeof it->request.problem, "%.63s", error.msg);
    answer(it, 502, error.msg);
}

/* ---- the way to the server ---- */

static void on_upstream(struct wr_intercept_upstream *upstream, const struct wr_error *error)
{
    struct wr_intercepted *it = wr_container_of(upstream, struct wr_intercepted, upstream);

    it->request.connecting = false;
    struct wr_error denied = {0};

    if (!it->request.ex)
        return;
    if (!error && !wr_intercepted_allowed(it)) {
        (void)wr_fail(&denied, WR_E_PERMISSION_DENIED, 0, "policy changed");
        cut_upstream(it);
        error = &denied;
    }
    if (error)
        answer_failure(it, error);
    else
        proceed(it);
}

static void start_connecting(struct wr_intercepted *it)
{
    struct wr_intercept *shared = it->shared;
    const struct wr_intercept_target target = {
        .loop = shared->loop,
        .resolver = shared->opts.resolver,
        .guard = shared->opts.guard,
        .policy = it->opts.policy,
        .group = &shared->sessions,
        .context = it->opts.tls ? shared->client : NULL,
        .name = it->name,
        .port = it->opts.port,
        .asker = it->opts.log,
    };

    it->request.connecting = true;
    it->upstream.fn = on_upstream;
    wr_intercept_upstream_start(&it->upstream, &target);
}

/* ---- entry ---- */

/* A server that does as it is told sends back what it got: the fields of the transform (RFC 9110
 * 9.3.8). */
static bool echoes(const struct wr_exchange *ex)
{
    return wr_exchange_is(ex, "TRACE") || wr_exchange_is(ex, "TRACK");
}

static void read_request(struct wr_intercepted *it, struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const struct wr_net_transform *transform = wr_net_policy_transform(it->opts.policy, it->name);
    struct wr_intercept_request *request = &it->request;
    size_t n = WR_MIN(head->method_len, sizeof request->said - 1);

    *request = (struct wr_intercept_request){
        .ex = ex,
        .streaming = head->framing == WR_H1_BODY_CHUNKED ||
                     (head->framing == WR_H1_BODY_LENGTH && head->content_length > 0),
        .began_ms = wr_loop_now_ms(it->shared->loop),
    };
    memcpy(request->said, head->method, n);
    (void)snprintf(request->rule, sizeof request->rule, "%s %.100s",
                   transform ? "transform" : "host", transform ? transform->domain : it->name);
}

void wr_intercept_request_handle(struct wr_exchange *ex, void *data)
{
    struct wr_intercepted *it = data;
    struct wr_intercept_request *request = &it->request;
    char said[WR_INTERCEPT_SAID_MAX + 1], text[320];

    read_request(it, ex);
    wr_exchange_set_ops(ex, &client_ops, it);
    if (!wr_intercept_host_agrees(wr_exchange_head(ex), it->name, it->opts.port, said)) {
        request->denied = true;
        (void)snprintf(request->rule, sizeof request->rule, "Host %.55s is not %.55s", said,
                       it->name);
        (void)snprintf(text, sizeof text,
                       "Warren: this connection is for %.100s, and the request for %.100s",
                       it->name, said);
        answer(it, 421, text);
        return;
    }
    if (echoes(ex)) {
        request->denied = true;
        (void)snprintf(request->rule, sizeof request->rule, "%s is not supported", request->said);
        (void)snprintf(text, sizeof text, "Warren: %s is not supported", request->said);
        answer(it, 405, text);
        return;
    }
    wr_exchange_pause(ex, true);
    if (wr_intercept_upstream_usable(&it->upstream)) {
        proceed(it);
    } else {
        wr_intercept_upstream_close(&it->upstream);
        start_connecting(it);
    }
}
