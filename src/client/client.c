#include "client/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/answer_error.h"

struct connection {
    struct wr_list link;
    struct wr_client *client;
    struct wr_http_conn *conn;
};

struct wr_client {
    struct wr_loop *loop;
    struct wr_list connections;
    struct wr_list calls;
    struct sockaddr_un address;
    bool interrupted;
};

struct wr_client_call {
    struct wr_list link;
    struct connection *connection;
    struct wr_http_call *call;
    const struct wr_client_ops *ops;
    void *data;
    int status;
    bool text_errors;
    struct wr_buf error_body;
};

/* ---- connections ---- */

static void connection_free(struct connection *connection)
{
    struct wr_http_conn *conn = wr_steal_ptr(&connection->conn);

    wr_list_remove(&connection->link);
    free(connection);
    wr_http_conn_free(conn);
}

static void on_lost(struct wr_http_conn *conn, void *data)
{
    (void)conn;
    connection_free(data);
}

static int connect_new(struct wr_client *client, struct connection **ret, struct wr_error *err)
{
    wr_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *path = client->address.sun_path;

    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "socket");
    /* Blocking until the server's backlog has room; it always answers or is gone. */
    if (connect(fd, (const struct sockaddr *)&client->address, sizeof client->address) < 0) {
        if (errno == EACCES || errno == EPERM)
            return wr_fail_errno(err, WR_E_PERMISSION_DENIED,
                                 "no access to %s; run this command as root", path);
        return wr_fail_errno(err, WR_E_UNAVAILABLE, "no server listens on %s", path);
    }
    int r = wr_fd_set_nonblock(fd, true);
    if (r < 0)
        return wr_fail(err, WR_E_INTERNAL, -r, "socket");
    struct connection *connection = wr_calloc(1, sizeof *connection);
    if (!connection)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "connection to the server");
    r = wr_http_conn_new(client->loop, wr_steal_fd(&fd), NULL, 0, &connection->conn, err);
    if (r < 0) {
        free(connection);
        return r;
    }
    connection->client = client;
    wr_http_conn_on_lost(connection->conn, on_lost, connection);
    wr_list_append(&client->connections, &connection->link);
    *ret = connection;
    return 0;
}

static int get_connection(struct wr_client *client, struct connection **ret, struct wr_error *err)
{
    wr_list_foreach(it, &client->connections) {
        struct connection *connection = wr_list_entry(it, struct connection, link);
        if (wr_http_conn_idle(connection->conn)) {
            *ret = connection;
            return 0;
        }
    }
    return connect_new(client, ret, err);
}

int wr_client_open(const char *socket_path, struct wr_client **ret, struct wr_error *err)
{
    struct wr_client *client = wr_calloc(1, sizeof *client);
    struct connection *first = NULL;

    if (!client)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "client");
    wr_list_init(&client->connections);
    wr_list_init(&client->calls);
    client->address.sun_family = AF_UNIX;
    int r = wr_loop_new(&client->loop, err);
    if (r == 0 &&
        !wr_strcopy(client->address.sun_path, sizeof client->address.sun_path, socket_path))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "socket path %.60s...: longer than %zu bytes",
                    socket_path, sizeof client->address.sun_path - 1);
    if (r == 0)
        r = connect_new(client, &first, err);
    if (r < 0) {
        wr_client_free(client);
        return r;
    }
    *ret = client;
    return 0;
}

struct wr_loop *wr_client_loop(const struct wr_client *client)
{
    return client->loop;
}

int wr_client_step(struct wr_client *client, int timeout_ms, struct wr_error *err)
{
    int r = client->interrupted ? 0 : wr_loop_step(client->loop, timeout_ms, err);

    if (r == 0 && client->interrupted)
        r = wr_fail(err, WR_E_CANCELED, 0, "interrupted");
    return r;
}

void wr_client_interrupt(struct wr_client *client, bool on)
{
    client->interrupted = on;
}

/* ---- calls ---- */

static void call_free(struct wr_client_call *call)
{
    wr_list_remove(&call->link);
    wr_buf_done(&call->error_body);
    free(call);
}

static void on_head(struct wr_http_call *http, const struct wr_h1_head *head, void *data)
{
    struct wr_client_call *call = data;

    (void)http;
    call->status = head->status;
    if (head->status < 400 && call->ops->on_head)
        call->ops->on_head(call, head, call->data);
}

static void on_body(struct wr_http_call *http, const char *bytes, size_t len, void *data)
{
    struct wr_client_call *call = data;

    (void)http;
    if (call->status < 400) {
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
    struct wr_client_call *call = data;

    (void)http;
    if (call->ops->on_drain)
        call->ops->on_drain(call, call->data);
}

static void on_end(struct wr_http_call *http, const struct wr_error *error, void *data)
{
    struct wr_client_call *call = data;
    struct wr_error own = {0};

    (void)http;
    call->call = NULL;
    if (!error && call->status >= 400) {
        void (*read)(int, const char *, size_t, struct wr_error *) =
            call->text_errors ? wr_answer_error_text : wr_answer_error;
        read(call->status, wr_buf_ptr(&call->error_body), call->error_body.len, &own);
        error = &own;
    }
    call->ops->on_end(call, error, call->data);
    call_free(call);
}

static const struct wr_http_call_ops http_ops = {
    .on_head = on_head,
    .on_body = on_body,
    .on_drain = on_drain,
    .on_end = on_end,
};

static int add_basic_user(struct wr_http_call *http, const char *user, struct wr_error *err)
{
    char plain[130], value[6 + WR_BASE64_LEN(sizeof plain) + 1] = "Basic ";

    if (!wr_strformat(plain, sizeof plain, "%s:", user) || strchr(user, ':'))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "user %.40s: not a user name", user);
    value[6 + wr_base64_encode(plain, strlen(plain), value + 6)] = '\0';
    wr_http_call_header(http, "Authorization", value);
    return 0;
}

static int add_headers(struct wr_http_call *http, const struct wr_client_request *request,
                       struct wr_error *err)
{
    char number[24];

    wr_http_call_header(http, "Host", "localhost");
    wr_http_call_header(http, "User-Agent", "warren/" WR_VERSION);
    if (request->content_type)
        wr_http_call_header(http, "Content-Type", request->content_type);
    if (request->sandbox_id) {
        wr_http_call_header(http, "E2b-Sandbox-Id", request->sandbox_id);
        if (!wr_strformat(number, sizeof number, "%u", request->port))
            number[0] = '\0';
        wr_http_call_header(http, "E2b-Sandbox-Port", number);
    }
    if (request->connect_timeout_ms) {
        if (!wr_strformat(number, sizeof number, "%llu",
                          (unsigned long long)request->connect_timeout_ms))
            number[0] = '\0';
        wr_http_call_header(http, "Connect-Timeout-Ms", number);
    }
    if (request->access_token)
        wr_http_call_header(http, "X-Access-Token", request->access_token);
    if (request->traffic_token)
        wr_http_call_header(http, "E2B-Traffic-Access-Token", request->traffic_token);
    if (request->upgrade) {
        wr_http_call_header(http, "Connection", "Upgrade");
        wr_http_call_header(http, "Upgrade", request->upgrade);
    }
    return request->user ? add_basic_user(http, request->user, err) : 0;
}

int wr_client_begin(struct wr_client *client, const struct wr_client_request *request,
                    const struct wr_client_ops *ops, void *data, struct wr_client_call **ret,
                    struct wr_error *err)
{
    struct connection *connection = NULL;
    struct wr_client_call *call = NULL;

    int r = get_connection(client, &connection, err);
    if (r < 0)
        return r;
    call = wr_calloc(1, sizeof *call);
    if (!call)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "request");
    call->connection = connection;
    call->ops = ops;
    call->data = data;
    call->text_errors = request->text_errors;
    wr_buf_init(&call->error_body, WR_CLIENT_MAX_ERROR_BODY);
    r = wr_http_call_begin(connection->conn, request->method, request->target, &http_ops, call,
                           &call->call, err);
    if (r < 0) {
        free(call);
        return r;
    }
    wr_list_append(&client->calls, &call->link);
    r = add_headers(call->call, request, err);
    if (r < 0) {
        wr_client_cancel(call);
        return r;
    }
    if (ret)
        *ret = call;
    if (request->stream)
        wr_http_call_stream(call->call, request->stream_length);
    else
        wr_http_call_send(call->call, request->body, request->body_len);
    return 0;
}

enum wr_http_flow wr_client_write(struct wr_client_call *call, const void *bytes, size_t len)
{
    return call->call ? wr_http_call_write(call->call, bytes, len) : WR_HTTP_GONE;
}

void wr_client_end(struct wr_client_call *call)
{
    if (call->call)
        wr_http_call_end(call->call);
}

void wr_client_pause(struct wr_client_call *call, bool paused)
{
    if (call->call)
        wr_http_call_pause(call->call, paused);
}

int wr_client_hijack(struct wr_client_call *call, struct wr_buf *ret_rest, struct wr_buf *ret_out)
{
    struct connection *connection = call->connection;
    int fd = wr_http_call_hijack(call->call, ret_rest, ret_out);

    if (fd < 0)
        return fd;
    wr_list_remove(&connection->link);
    free(connection);
    call_free(call);
    return fd;
}

/* Gives the HTTP call up, and its connection, which is in the middle of something. */
static void cut(struct wr_client_call *call)
{
    struct wr_http_call *http = wr_steal_ptr(&call->call);

    if (!http)
        return;
    wr_http_call_cancel(http);
    connection_free(call->connection);
}

void wr_client_cancel(struct wr_client_call *call)
{
    if (!call)
        return;
    cut(call);
    call_free(call);
}

struct wr_client *wr_client_free(struct wr_client *client)
{
    struct wr_error error = {0};

    if (!client)
        return NULL;
    (void)wr_fail(&error, WR_E_CANCELED, 0, "the client was closed");
    while (!wr_list_empty(&client->calls)) {
        struct wr_client_call *call =
            wr_list_entry(client->calls.next, struct wr_client_call, link);
        cut(call);
        call->ops->on_end(call, &error, call->data);
        call_free(call);
    }
    while (!wr_list_empty(&client->connections))
        connection_free(wr_list_entry(client->connections.next, struct connection, link));
    wr_loop_free(client->loop);
    free(client);
    return NULL;
}
