#include "server/ingress/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/server.h"

static void on_idle_timeout(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_upstream_close(data);
}

static void on_lost(struct wr_http_conn *conn, void *data)
{
    (void)conn;
    wr_upstream_close(data);
}

static struct wr_upstream *find_idle(struct wr_sandbox *sandbox, uint16_t port)
{
    wr_list_foreach(it, &sandbox->connections) {
        struct wr_upstream *upstream = wr_list_entry(it, struct wr_upstream, link);
        if (!upstream->busy && upstream->port == port && wr_http_conn_idle(upstream->conn))
            return upstream;
    }
    return NULL;
}

/* Room for one more below the limit: the place of an idle connection may be taken. */
static bool make_room(struct wr_sandbox *sandbox)
{
    if (sandbox->connection_count < WR_UPSTREAM_MAX_PER_SANDBOX)
        return true;
    wr_list_foreach(it, &sandbox->connections) {
        struct wr_upstream *upstream = wr_list_entry(it, struct wr_upstream, link);
        if (!upstream->busy) {
            wr_upstream_close(upstream);
            return true;
        }
    }
    return false;
}

/* On loopback the answer to a connect is there as soon as the call returns: a closed port is known
 * at once. */
static int connect_loopback(int fd, uint16_t port, struct wr_error *err)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1, failure = 0;
    socklen_t len = sizeof failure;

    /* Small messages must not wait for acknowledgements; without it things are slower, not wrong.
     */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        failure = errno;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
        failure = errno;
    if (failure)
        return wr_fail(err, WR_E_UNAVAILABLE, failure, "connect to port %u in the sandbox", port);
    return 0;
}

/* `fd` becomes owned. */
static int connect_socket(struct wr_server *server, struct wr_sandbox *sandbox, int fd,
                          uint16_t port, struct wr_upstream **ret, struct wr_error *err)
{
    wr_auto_close int owned = fd;
    struct wr_upstream *upstream = NULL;

    int r = connect_loopback(owned, port, err);
    if (r < 0)
        return r;
    upstream = wr_calloc(1, sizeof *upstream);
    if (!upstream)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "connection into the sandbox");
    upstream->server = server;
    upstream->sandbox = sandbox;
    upstream->port = port;
    upstream->busy = true;
    upstream->fd = owned;
    r = wr_http_conn_new(server->loop, wr_steal_fd(&owned), NULL, 0, &upstream->conn, err);
    if (r < 0) {
        free(upstream);
        return r;
    }
    wr_http_conn_on_lost(upstream->conn, on_lost, upstream);
    wr_list_append(&sandbox->connections, &upstream->link);
    sandbox->connection_count++;
    *ret = upstream;
    return 0;
}

static void dial_with(struct wr_server *server, struct wr_sandbox *sandbox, struct wr_dial *dial,
                      int fd)
{
    struct wr_upstream *upstream = NULL;
    struct wr_error error = {0};

    if (connect_socket(server, sandbox, fd, dial->port, &upstream, &error) < 0)
        dial->fn(dial, NULL, &error);
    else
        dial->fn(dial, upstream, NULL);
}

/* ---- sockets from the engine ---- */

struct socket_op {
    struct wr_server *server;
    char id[WR_ID_LEN + 1];
};

static void fail_waiters(struct wr_sandbox *sandbox, const struct wr_error *error)
{
    for (int i = 0; i < WR_UPSTREAM_MAX_WAITERS && !wr_list_empty(&sandbox->waiters); i++) {
        struct wr_dial *dial = wr_list_entry(sandbox->waiters.next, struct wr_dial, link);
        wr_list_remove(&dial->link);
        dial->fn(dial, NULL, error);
    }
}

static void request_sockets(struct wr_server *server, struct wr_sandbox *sandbox);

static void on_sockets(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct socket_op *op = data;
    struct wr_server *server = op->server;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, op->id);
    struct wr_error none = {0};

    free(op);
    if (!sandbox)
        return;
    sandbox->sockets_requested = false;
    if (!error && reply->fd_count == 0) {
        (void)wr_fail(&none, WR_E_INTERNAL, 0, "the engine sent no socket");
        error = &none;
    }
    if (error) {
        fail_waiters(sandbox, error);
        return;
    }
    wr_sandbox_keep_sockets(sandbox, reply->fds, reply->fd_count);
    while (!wr_list_empty(&sandbox->waiters)) {
        int fd = wr_sandbox_take_socket(sandbox);
        if (fd < 0) {
            request_sockets(server, sandbox);
            return;
        }
        struct wr_dial *dial = wr_list_entry(sandbox->waiters.next, struct wr_dial, link);
        wr_list_remove(&dial->link);
        dial_with(server, sandbox, dial, fd);
    }
}

static void request_sockets(struct wr_server *server, struct wr_sandbox *sandbox)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_error error = {0};
    struct wr_jw w;

    if (sandbox->sockets_requested)
        return;
    struct socket_op *op = wr_calloc(1, sizeof *op);
    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", sandbox->id);
    wr_jw_ku64(&w, "count", WR_UPSTREAM_REFILL);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (!op || r < 0) {
        (void)wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sockets of %s", sandbox->id);
    } else {
        struct wr_engine_request request = {
            .action = WR_ACTION_SOCKETS, .json = wr_buf_ptr(&json), .len = json.len};
        op->server = server;
        memcpy(op->id, sandbox->id, sizeof op->id);
        if (wr_engine_call(server->engine, &request, on_sockets, op, &error) == 0) {
            sandbox->sockets_requested = true;
            return;
        }
    }
    free(op);
    fail_waiters(sandbox, &error);
}

/* ---- public ---- */

void wr_upstream_dial(struct wr_server *server, struct wr_sandbox *sandbox, struct wr_dial *dial,
                      bool fresh)
{
    struct wr_upstream *upstream = fresh ? NULL : find_idle(sandbox, dial->port);
    struct wr_error error = {0};
    size_t waiting = 0;

    if (upstream) {
        wr_timer_stop(&upstream->idle);
        upstream->busy = true;
        upstream->reused = true;
        dial->fn(dial, upstream, NULL);
        return;
    }
    wr_list_foreach(it, &sandbox->waiters)
        waiting++;
    if (!make_room(sandbox) || waiting >= WR_UPSTREAM_MAX_WAITERS) {
        (void)wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, 0,
                      "too many connections to sandbox %s (at most %d)", sandbox->id,
                      WR_UPSTREAM_MAX_PER_SANDBOX);
        dial->fn(dial, NULL, &error);
        return;
    }
    int fd = wr_sandbox_take_socket(sandbox);
    if (fd < 0)
        wr_list_append(&sandbox->waiters, &dial->link);
    /* The last spare socket is replaced before somebody has to wait for one. */
    if (sandbox->socket_count == 0)
        request_sockets(server, sandbox);
    if (fd >= 0)
        dial_with(server, sandbox, dial, fd);
}

void wr_dial_cancel(struct wr_dial *dial)
{
    wr_list_remove(&dial->link);
}

void wr_upstream_ack_now(const struct wr_upstream *upstream)
{
    int on = 1;

    /* Without it things are slower, not wrong. */
    (void)setsockopt(upstream->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void wr_upstream_release(struct wr_upstream *upstream)
{
    struct wr_error error = {0};
    size_t idle = 0;

    upstream->busy = false;
    if (!upstream->sandbox || !upstream->conn || !wr_http_conn_idle(upstream->conn)) {
        wr_upstream_close(upstream);
        return;
    }
    wr_list_foreach(it, &upstream->sandbox->connections) {
        const struct wr_upstream *other = wr_list_entry(it, struct wr_upstream, link);
        idle += !other->busy && other->port == upstream->port;
    }
    if (idle > WR_UPSTREAM_MAX_IDLE ||
        wr_timer_start(upstream->server->loop, &upstream->idle, WR_UPSTREAM_IDLE_MS,
                       on_idle_timeout, upstream, &error) < 0)
        wr_upstream_close(upstream);
}

void wr_upstream_close(struct wr_upstream *upstream)
{
    wr_timer_stop(&upstream->idle);
    if (upstream->sandbox) {
        wr_list_remove(&upstream->link);
        upstream->sandbox->connection_count--;
        upstream->sandbox = NULL;
    }
    struct wr_http_conn *conn = wr_steal_ptr(&upstream->conn);
    free(upstream);
    wr_http_conn_free(conn);
}

void wr_upstream_drop_all(struct wr_server *server, struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    (void)server;
    (void)wr_fail(&error, WR_E_NOT_FOUND, 0, "sandbox %s is gone", sandbox->id);
    fail_waiters(sandbox, &error);
    while (!wr_list_empty(&sandbox->connections)) {
        struct wr_upstream *upstream =
            wr_list_entry(sandbox->connections.next, struct wr_upstream, link);

        wr_list_remove(&upstream->link);
        sandbox->connection_count--;
        upstream->sandbox = NULL;
        /* A running call ends with an error, upon which the user of the connection closes the rest.
         */
        if (upstream->on_drop)
            upstream->on_drop(upstream);
        else if (upstream->busy)
            wr_http_conn_free(wr_steal_ptr(&upstream->conn));
        else
            wr_upstream_close(upstream);
    }
}
