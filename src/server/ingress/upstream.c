#include "server/ingress/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
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

unsigned wr_upstream_limit(const struct wr_server *server)
{
    unsigned limit = server->config->max_connections_per_sandbox;

    return limit ? limit : WR_UPSTREAM_DEFAULT_MAX;
}

struct wr_upstream *wr_upstream_take_idle(struct wr_sandbox *sandbox, uint16_t port)
{
    wr_list_foreach(it, &sandbox->connections) {
        struct wr_upstream *upstream = wr_list_entry(it, struct wr_upstream, link);
        if (upstream->busy)
            return NULL;
        if (upstream->port != port || !wr_http_conn_idle(upstream->conn))
            continue;
        wr_timer_stop(&upstream->idle);
        wr_list_remove(&upstream->link);
        wr_list_append(&sandbox->connections, &upstream->link);
        upstream->busy = true;
        upstream->reused = true;
        return upstream;
    }
    return NULL;
}

bool wr_upstream_reserve(struct wr_server *server, struct wr_sandbox *sandbox)
{
    if (sandbox->connection_count >= wr_upstream_limit(server)) {
        if (wr_list_empty(&sandbox->connections))
            return false;
        struct wr_upstream *first =
            wr_list_entry(sandbox->connections.next, struct wr_upstream, link);
        if (first->busy)
            return false;
        wr_upstream_close(first);
    }
    sandbox->connection_count++;
    return true;
}

void wr_upstream_unreserve(struct wr_sandbox *sandbox)
{
    sandbox->connection_count--;
}

int wr_upstream_new_plain(struct wr_server *server, struct wr_sandbox *sandbox, uint16_t port,
                          int fd, struct wr_upstream **ret, struct wr_error *err)
{
    struct wr_upstream *upstream = wr_calloc(1, sizeof *upstream);

    if (!upstream)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "connection into the sandbox");
    upstream->server = server;
    upstream->sandbox = sandbox;
    upstream->port = port;
    upstream->busy = true;
    upstream->fd = fd;
    wr_list_append(&sandbox->connections, &upstream->link);
    *ret = upstream;
    return 0;
}

int wr_upstream_new(struct wr_server *server, struct wr_sandbox *sandbox, uint16_t port, int fd,
                    struct wr_upstream **ret, struct wr_error *err)
{
    struct wr_http_conn *conn = NULL;
    int r = wr_http_conn_new(server->loop, fd, NULL, 0, &conn, err);

    if (r == 0)
        r = wr_upstream_new_plain(server, sandbox, port, fd, ret, err);
    if (r < 0) {
        (void)wr_http_conn_free(conn);
        return r;
    }
    (*ret)->conn = conn;
    wr_http_conn_on_lost(conn, on_lost, *ret);
    return 0;
}

void wr_upstream_ack_now(const struct wr_upstream *upstream)
{
    int on = 1;

    /* Without it things are slower, not wrong. */
    (void)setsockopt(upstream->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

/* Idle connections to one port; they are at the front of the list. */
static size_t count_idle(const struct wr_sandbox *sandbox, uint16_t port)
{
    size_t count = 0;

    wr_list_foreach(it, &sandbox->connections) {
        const struct wr_upstream *upstream = wr_list_entry(it, struct wr_upstream, link);
        if (upstream->busy)
            break;
        count += upstream->port == port;
    }
    return count;
}

void wr_upstream_release(struct wr_upstream *upstream)
{
    struct wr_sandbox *sandbox = upstream->sandbox;
    struct wr_error error = {0};

    if (!sandbox || !upstream->conn || !wr_http_conn_idle(upstream->conn) ||
        count_idle(sandbox, upstream->port) >= WR_UPSTREAM_MAX_IDLE ||
        wr_timer_start(upstream->server->loop, &upstream->idle, WR_UPSTREAM_IDLE_MS,
                       on_idle_timeout, upstream, &error) < 0) {
        wr_upstream_close(upstream);
        return;
    }
    upstream->busy = false;
    wr_list_remove(&upstream->link);
    wr_list_append(sandbox->connections.next, &upstream->link);
}

void wr_upstream_close(struct wr_upstream *upstream)
{
    wr_timer_stop(&upstream->idle);
    if (upstream->sandbox) {
        wr_list_remove(&upstream->link);
        wr_upstream_unreserve(upstream->sandbox);
        upstream->sandbox = NULL;
    }
    struct wr_http_conn *conn = wr_steal_ptr(&upstream->conn);
    free(upstream);
    wr_http_conn_free(conn);
}

bool wr_upstream_in_use(const struct wr_sandbox *sandbox, uint16_t port)
{
    wr_list_foreach(it, &sandbox->connections) {
        const struct wr_upstream *upstream = wr_list_entry(it, struct wr_upstream, link);
        if (upstream->busy && upstream->port == port)
            return true;
    }
    return false;
}

void wr_upstream_drop_all(struct wr_sandbox *sandbox)
{
    while (!wr_list_empty(&sandbox->connections)) {
        struct wr_upstream *upstream =
            wr_list_entry(sandbox->connections.next, struct wr_upstream, link);

        wr_list_remove(&upstream->link);
        wr_upstream_unreserve(sandbox);
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
