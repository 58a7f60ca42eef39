#include "client/transport.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "client/answer_error.h"
#include "client/connection.h"
#include "client/outgoing.h"
#include "client/retry_after.h"

/* Larger ones are not copied for the rare case that they may be sent again. */
#define KEEP_MAX ((size_t)1024 * 1024)

struct wr_transport {
    struct wr_loop *loop;
    struct wr_endpoint *endpoint; /* held */
    struct wr_connections connections;
    struct wr_list calls;
    struct wr_source cancel; /* borrowed descriptor */
    bool canceled;
    bool interrupted;
};

struct wr_transport_call {
    struct wr_list link;
    struct wr_transport *transport;
    struct wr_connection *connection; /* NULL: given up */
    struct wr_http_call *http;        /* NULL until it is sent, and at its end */
    const struct wr_transport_ops *ops;
    void *data;
    struct wr_url url;
    struct wr_outgoing out;
    struct wr_buf written; /* of a stream, until there is a connection */
    bool ended;            /* the same */
    bool paused;
    bool wants_drain;
    bool overflowed; /* it was written to although it was full */
    bool control_api;
    bool repeated;
    bool until_close; /* the answer's end is that of its connection */
    bool text_errors;
    int status;
    uint32_t retry_after_ms;
    struct wr_buf error_body;
};

static void on_connected(struct wr_connection *connection, const struct wr_error *error,
                         void *data);

int wr_transport_open(struct wr_endpoint *endpoint, struct wr_transport **ret, struct wr_error *err)
{
    struct wr_transport *transport = wr_calloc(1, sizeof *transport);
    struct wr_connection *first = NULL;
    struct wr_url url;

    if (!transport)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "client of the server");
    wr_list_init(&transport->calls);
    transport->endpoint = wr_endpoint_ref(endpoint);
    int r = wr_loop_new(&transport->loop, err);
    if (r == 0)
        wr_connections_init(&transport->connections, transport->loop, endpoint);
    if (r == 0 && wr_endpoint_socket(endpoint)) {
        r = wr_endpoint_base(endpoint, &(struct wr_endpoint_target){0}, &url, err);
        if (r == 0)
            r = wr_connection_take(&transport->connections, &url, true, NULL, NULL, &first, err);
        if (r == 0)
            wr_connection_release(first);
    }
    if (r < 0) {
        wr_transport_free(transport);
        return r;
    }
    *ret = transport;
    return 0;
}

int wr_transport_open_socket(const char *socket_path, struct wr_transport **ret,
                             struct wr_error *err)
{
    struct wr_endpoint *endpoint = NULL;

    int r = wr_endpoint_new_socket(socket_path, &endpoint, err);
    if (r == 0)
        r = wr_transport_open(endpoint, ret, err);
    wr_endpoint_free(endpoint);
    return r;
}

struct wr_loop *wr_transport_loop(const struct wr_transport *transport)
{
    return transport->loop;
}

int wr_transport_step(struct wr_transport *transport, int timeout_ms, struct wr_error *err)
{
    bool stopped = transport->interrupted || transport->canceled;
    int r = stopped ? 0 : wr_loop_step(transport->loop, timeout_ms, err);

    if (r == 0 && transport->canceled)
        r = wr_fail(err, WR_E_CANCELED, 0, "canceled");
    else if (r == 0 && transport->interrupted)
        r = wr_fail(err, WR_E_CANCELED, 0, "interrupted");
    return r;
}

void wr_transport_interrupt(struct wr_transport *transport, bool on)
{
    transport->interrupted = on;
}

static void on_canceled(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_transport *transport = data;

    (void)events;
    /* It stays readable. */
    wr_source_remove(source);
    transport->canceled = true;
}

int wr_transport_watch_cancel(struct wr_transport *transport, int fd, struct wr_error *err)
{
    wr_source_remove(&transport->cancel);
    transport->canceled = false;
    return fd < 0 ? 0
                  : wr_source_add(transport->loop, &transport->cancel, fd, EPOLLIN, on_canceled,
                                  transport, err);
}

/* ---- the end of a call ---- */

static void call_free(struct wr_transport_call *call)
{
    wr_list_remove(&call->link);
    wr_outgoing_done(&call->out);
    wr_buf_done(&call->written);
    wr_buf_done(&call->error_body);
    free(call);
}

static void finish(struct wr_transport_call *call, const struct wr_error *error)
{
    call->ops->on_end(call, error, call->data);
    call_free(call);
}

/* Gives its connection up, which is in the middle of something. */
static void cut(struct wr_transport_call *call)
{
    struct wr_http_call *http = wr_steal_ptr(&call->http);

    if (http)
        wr_http_call_cancel(http);
    call->connection = wr_connection_free(call->connection);
}

static bool is_error(const struct wr_transport_call *call)
{
    return call->status >= 300;
}

/* What an answer says that is no success. */
static void read_error(const struct wr_transport_call *call, struct wr_error *out)
{
    void (*read)(int, const char *, size_t, struct wr_error *) =
        call->text_errors ? wr_answer_error_text : wr_answer_error;
    struct wr_error said = {0};

    read(call->status, wr_buf_ptr(&call->error_body), call->error_body.len, &said);
    *out = said;
    if (call->status == 401 && call->control_api && wr_endpoint_key(call->transport->endpoint))
        (void)wr_fail(out, WR_E_UNAUTHENTICATED, 0,
                      "%.80s does not accept the API key; check E2B_API_KEY (%.*s)",
                      call->url.authority, (int)WR_MIN(strcspn(said.msg, "\n"), (size_t)100),
                      said.msg);
    out->retry_after_ms = call->retry_after_ms;
}

/* Whether a failed call may be begun again: its connection was an old one, which its server may
 * have closed before it saw anything. */
static bool may_repeat(const struct wr_transport_call *call, const struct wr_http_call *http,
                       const struct wr_error *error)
{
    bool kept = call->out.body_len == 0 || call->out.copy.len > 0;

    return error->code == WR_E_UNAVAILABLE && call->connection->waited && !call->repeated && kept &&
           !call->out.stream && !wr_http_call_heard(http) &&
           (wr_outgoing_is_repeatable(&call->out) || !wr_http_call_sent(http));
}

/* ---- the HTTP call ---- */

static void on_head(struct wr_http_call *http, const struct wr_h1_head *head, void *data)
{
    struct wr_transport_call *call = data;
    char value[64], date[64];

    (void)http;
    call->status = head->status;
    call->until_close = head->framing == WR_H1_BODY_UNTIL_CLOSE;
    if (!is_error(call)) {
        if (call->ops->on_head)
            call->ops->on_head(call, head, call->data);
    } else if (wr_h1_get(head, "Retry-After", value, sizeof value)) {
        bool dated = wr_h1_get(head, "Date", date, sizeof date);
        call->retry_after_ms = wr_retry_after_ms(value, dated ? date : NULL, wr_wall_ms());
    }
}

static void on_body(struct wr_http_call *http, const char *bytes, size_t len, void *data)
{
    struct wr_transport_call *call = data;

    (void)http;
    if (!is_error(call)) {
        if (call->ops->on_body)
            call->ops->on_body(call, bytes, len, call->data);
        return;
    }
    /* The front of an over-long error answer is enough. */
    len = WR_MIN(len, wr_buf_room(&call->error_body));
    if (wr_buf_append(&call->error_body, bytes, len) < 0)
        wr_buf_clear(&call->error_body);
}

static void on_drain(struct wr_http_call *http, void *data)
{
    struct wr_transport_call *call = data;

    (void)http;
    if (call->ops->on_drain)
        call->ops->on_drain(call, call->data);
}

static int start(struct wr_transport_call *call, struct wr_error *err);

/* On a connection of its own. Failing that, the call is over. */
static void repeat(struct wr_transport_call *call)
{
    struct wr_error error = {0};

    call->repeated = true;
    int r = wr_connection_take(&call->transport->connections, &call->url, true, on_connected, call,
                               &call->connection, &error);
    if (r == 0 && call->connection->http)
        r = start(call, &error);
    if (r < 0)
        finish(call, &error);
}

static void on_end(struct wr_http_call *http, const struct wr_error *error, void *data)
{
    struct wr_transport_call *call = data;
    bool again = error && may_repeat(call, http, error);
    bool cut_off = !error && call->until_close && wr_connection_truncated(call->connection);
    struct wr_error own = {0};

    call->http = NULL;
    wr_connection_release(wr_steal_ptr(&call->connection));
    if (again) {
        repeat(call);
        return;
    }
    if (cut_off) {
        (void)wr_fail(&own, WR_E_UNAVAILABLE, 0, "%.80s: the peer cut the connection",
                      call->url.authority);
    } else if (!error && is_error(call)) {
        read_error(call, &own);
    } else if (error && !wr_endpoint_socket(call->transport->endpoint)) {
        own = *error;
        (void)wr_wrap(&own, "%.80s", call->url.authority);
    }
    finish(call, own.code != WR_OK ? &own : error);
}

static const struct wr_http_call_ops http_ops = {
    .on_head = on_head,
    .on_body = on_body,
    .on_drain = on_drain,
    .on_end = on_end,
};

/* Sends it over the connection that it has; without success the call has none. */
static int start(struct wr_transport_call *call, struct wr_error *err)
{
    int r = wr_outgoing_send(&call->out, call->connection->http, &http_ops, call, &call->http, err);

    if (r < 0)
        call->connection = wr_connection_free(call->connection);
    else if (call->paused)
        wr_http_call_pause(call->http, true);
    return r;
}

/* What its user did meanwhile. */
static void catch_up(struct wr_transport_call *call)
{
    enum wr_http_flow flow = WR_HTTP_MORE;

    if (call->written.len > 0)
        flow = wr_http_call_write(call->http, wr_buf_ptr(&call->written), call->written.len);
    wr_buf_done(&call->written);
    if (call->ended)
        wr_http_call_end(call->http);
    else if (flow == WR_HTTP_MORE && call->wants_drain && call->ops->on_drain)
        call->ops->on_drain(call, call->data);
}

static void on_connected(struct wr_connection *connection, const struct wr_error *error, void *data)
{
    struct wr_transport_call *call = data;
    struct wr_error own = {0};

    (void)connection;
    if (error) {
        call->connection = NULL;
    } else if (call->overflowed) {
        (void)wr_fail(&own, WR_E_INTERNAL, 0, "body of %s: written without waiting",
                      call->out.method);
        call->connection = wr_connection_free(call->connection);
    } else {
        (void)!start(call, &own);
    }
    if (own.code != WR_OK)
        error = &own;
    if (error)
        finish(call, error);
    else
        catch_up(call);
}

static int connect_and_start(struct wr_transport_call *call, struct wr_error *err)
{
    int r = wr_connection_take(&call->transport->connections, &call->url, false, on_connected, call,
                               &call->connection, err);
    if (r < 0)
        return r;
    bool ready = call->connection->http != NULL;
    if (!ready || (call->connection->waited && call->out.body_len <= KEEP_MAX))
        r = wr_outgoing_keep(&call->out, err);
    if (r < 0) {
        call->connection = wr_connection_free(call->connection);
        return r;
    }
    return ready ? start(call, err) : 0;
}

/* ---- what users call ---- */

int wr_transport_begin(struct wr_transport *transport, const struct wr_transport_request *request,
                       const struct wr_transport_ops *ops, void *data,
                       struct wr_transport_call **ret, struct wr_error *err)
{
    const struct wr_endpoint_target target = {.sandbox_id = request->sandbox_id,
                                              .port = request->port,
                                              .domain = request->sandbox_domain};
    struct wr_transport_call *call = wr_calloc(1, sizeof *call);

    if (!call)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "request");
    call->transport = transport;
    call->ops = ops;
    call->data = data;
    call->control_api = !request->sandbox_id;
    call->text_errors = request->text_errors;
    wr_buf_init(&call->error_body, WR_TRANSPORT_MAX_ERROR_BODY);
    wr_buf_init(&call->written, WR_HTTP_OUT_MAX);
    int r = wr_endpoint_base(transport->endpoint, &target, &call->url, err);
    if (r == 0)
        r = wr_outgoing_init(&call->out, request, transport->endpoint, &call->url, err);
    if (r == 0)
        r = connect_and_start(call, err);
    if (r < 0) {
        call_free(call);
        return r;
    }
    wr_list_append(&transport->calls, &call->link);
    if (ret)
        *ret = call;
    return 0;
}

enum wr_http_flow wr_transport_write(struct wr_transport_call *call, const void *bytes, size_t len)
{
    if (call->http)
        return wr_http_call_write(call->http, bytes, len);
    if (!call->connection)
        return WR_HTTP_GONE;
    if (call->overflowed || wr_buf_append(&call->written, bytes, len) < 0)
        call->overflowed = true; /* told once there would be a connection */
    call->wants_drain = true;
    return WR_HTTP_FULL;
}

void wr_transport_end(struct wr_transport_call *call)
{
    call->ended = true;
    if (call->http)
        wr_http_call_end(call->http);
}

void wr_transport_pause(struct wr_transport_call *call, bool paused)
{
    call->paused = paused;
    if (call->http)
        wr_http_call_pause(call->http, paused);
}

int wr_transport_hijack(struct wr_transport_call *call, struct wr_buf *ret_rest,
                        struct wr_buf *ret_out)
{
    int fd = wr_http_call_hijack(call->http, ret_rest, ret_out);

    if (fd < 0)
        return fd;
    wr_connection_hand_over(call->connection);
    call_free(call);
    return fd;
}

int wr_transport_status(const struct wr_transport_call *call)
{
    return call->status;
}

void wr_transport_cancel(struct wr_transport_call *call)
{
    if (!call)
        return;
    cut(call);
    call_free(call);
}

struct wr_transport *wr_transport_abandon(struct wr_transport *transport)
{
    struct wr_list *connections = &transport->connections.all;

    /* First: what is removed from the loop later is not removed from the parent's set. */
    transport->loop = wr_loop_free(transport->loop);
    wr_list_foreach(it, &transport->calls) {
        struct wr_transport_call *call = wr_list_entry(it, struct wr_transport_call, link);
        struct wr_http_call *http = wr_steal_ptr(&call->http);
        if (http)
            wr_http_call_cancel(http);
        call->connection = wr_connection_abandon(call->connection);
    }
    while (!wr_list_empty(connections))
        wr_connection_abandon(wr_list_entry(connections->next, struct wr_connection, link));
    return wr_transport_free(transport);
}

struct wr_transport *wr_transport_free(struct wr_transport *transport)
{
    struct wr_error error = {0};

    if (!transport)
        return NULL;
    (void)wr_fail(&error, WR_E_CANCELED, 0, "the client was closed");
    while (!wr_list_empty(&transport->calls)) {
        struct wr_transport_call *call =
            wr_list_entry(transport->calls.next, struct wr_transport_call, link);
        cut(call);
        finish(call, &error);
    }
    wr_connections_done(&transport->connections);
    wr_source_remove(&transport->cancel);
    wr_loop_free(transport->loop);
    wr_endpoint_free(transport->endpoint);
    free(transport);
    return NULL;
}
