#include "server/agent_call.h"

#include "base/alloc.h"
#include "server/server.h"

/* It may have held secrets. */
static void drop_body(struct wr_agent_call *call)
{
    if (call->body.data)
        explicit_bzero(call->body.data, call->body.cap);
    wr_buf_done(&call->body);
}

void wr_agent_call_cancel(struct wr_agent_call *call)
{
    wr_timer_stop(&call->timer);
    wr_dial_cancel(&call->dial);
    if (call->http)
        wr_http_call_cancel(wr_steal_ptr(&call->http));
    if (call->upstream)
        wr_upstream_close(wr_steal_ptr(&call->upstream));
    drop_body(call);
    wr_buf_done(&call->answer);
}

static void on_failed(struct wr_timer *timer, void *data)
{
    struct wr_agent_call *call = data;

    (void)timer;
    call->fn(call, 0, &call->failure);
}

static void fail(struct wr_agent_call *call, const struct wr_error *error)
{
    struct wr_error ignored = {0};

    call->failure = *error;
    wr_agent_call_cancel(call);
    if (!call->starting ||
        wr_timer_start(call->server->loop, &call->timer, 0, on_failed, call, &ignored) < 0)
        call->fn(call, 0, &call->failure);
}

static void on_head(struct wr_http_call *http, const struct wr_h1_head *head, void *data)
{
    struct wr_agent_call *call = data;

    (void)http;
    call->status = head->status;
}

static void on_body(struct wr_http_call *http, const char *text, size_t len, void *data)
{
    struct wr_agent_call *call = data;
    struct wr_error error = {0};

    (void)http;
    if (wr_buf_append(&call->answer, text, len) == 0)
        return;
    (void)wr_fail(&error, WR_E_INTERNAL, 0, "the agent's answer is longer than %d bytes",
                  WR_AGENT_CALL_MAX);
    fail(call, &error);
}

static void on_end(struct wr_http_call *http, const struct wr_error *error, void *data)
{
    struct wr_agent_call *call = data;

    (void)http;
    call->http = NULL;
    if (error) {
        fail(call, error);
        return;
    }
    wr_upstream_release(wr_steal_ptr(&call->upstream));
    wr_timer_stop(&call->timer);
    call->fn(call, call->status, NULL);
}

static const struct wr_http_call_ops http_ops = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end};

static void on_dialled(struct wr_dial *dial, struct wr_upstream *upstream,
                       const struct wr_error *error)
{
    struct wr_agent_call *call = wr_container_of(dial, struct wr_agent_call, dial);
    struct wr_error own = {0};

    if (error) {
        fail(call, error);
        return;
    }
    call->upstream = upstream;
    if (wr_http_call_begin(upstream->conn, call->method, call->path, &http_ops, call, &call->http,
                           &own) < 0) {
        fail(call, &own);
        return;
    }
    wr_http_call_header(call->http, "Host", "localhost");
    if (*call->token)
        wr_http_call_header(call->http, "X-Access-Token", call->token);
    if (call->control && *call->control)
        wr_http_call_header(call->http, "X-Warren-Control", call->control);
    if (call->body.len > 0)
        wr_http_call_header(call->http, "Content-Type", "application/json");
    wr_http_call_send(call->http, wr_buf_ptr(&call->body), call->body.len);
    drop_body(call);
}

static void on_timeout(struct wr_timer *timer, void *data)
{
    struct wr_error error = {0};

    (void)timer;
    (void)wr_fail(&error, WR_E_DEADLINE_EXCEEDED, 0, "the agent did not answer in time");
    fail(data, &error);
}

void wr_agent_call_start(struct wr_agent_call *call, struct wr_server *server,
                         struct wr_sandbox *sandbox, struct wr_buf *body)
{
    struct wr_error error = {0};

    wr_buf_done(&call->answer);
    wr_buf_init(&call->answer, WR_AGENT_CALL_MAX);
    call->body = body ? *body : (struct wr_buf){0};
    if (body)
        *body = (struct wr_buf){0};
    call->status = 0;
    call->server = server;
    call->starting = true;
    call->dial = (struct wr_dial){.port = WR_AGENT_PORT, .fn = on_dialled};
    if (wr_timer_start(server->loop, &call->timer, call->timeout_ms, on_timeout, call, &error) < 0)
        fail(call, &error);
    else
        wr_dial_start(&call->dial, server, sandbox, false);
    call->starting = false;
}
