#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "http/conn.h"

/* Connections taken per event, so that a flood of them does not starve the open ones. */
#define ACCEPTS_PER_EVENT 64
#define RETRY_MS          100
/* A peer that takes nothing of its response for so long gives way when there is no room. */
#define SLOW_READER_MS    ((uint64_t)10000)

static void on_retry(struct wr_timer *timer, void *data)
{
    struct wr_http_server *server = data;

    (void)timer;
    wr_source_set_events(&server->source, EPOLLIN);
}

/* Nothing is left to do on it for anybody but its peer, which takes its time. */
static bool is_over(const struct wr_server_conn *conn)
{
    if (conn->phase != WR_CONN_EXCHANGE)
        return conn->phase != WR_CONN_HEAD;
    return conn->ex->state == WR_RESPONSE_ENDED && conn->io.blocked &&
           conn->io.moved == conn->moved_seen &&
           wr_loop_now_ms(conn->io.loop) - conn->moved_ms >=
               WR_MIN(conn->server->opts.stall_timeout_ms / 2, SLOW_READER_MS);
}

static bool is_waiting(const struct wr_server_conn *conn)
{
    return conn->phase == WR_CONN_HEAD;
}

static bool holds_much(const struct wr_server_conn *conn)
{
    return conn->io.out.len > WR_HTTP_OUT_HIGH && is_over(conn);
}

static bool close_one(struct wr_http_server *server, bool (*fits)(const struct wr_server_conn *))
{
    wr_list_foreach(it, &server->conns) {
        struct wr_server_conn *conn = wr_list_entry(it, struct wr_server_conn, link);

        if (conn->busy || !fits(conn))
            continue;
        wr_server_conn_close(conn);
        return true;
    }
    return false;
}

bool wr_http_server_make_room(struct wr_http_server *server)
{
    return close_one(server, is_waiting) || close_one(server, is_over);
}

bool wr_http_server_close_slow(struct wr_http_server *server)
{
    return close_one(server, holds_much);
}

int wr_http_server_adopt(struct wr_http_server *server, int fd, struct wr_error *err)
{
    const int on = 1;

    if (server->count >= server->opts.max_connections && !wr_http_server_make_room(server)) {
        (void)wr_close(fd);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the server has %zu connections",
                       server->count);
    }
    /* Fails on unix sockets, which have no such delay. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return wr_server_conn_new(server, fd, err);
}

static void on_accept(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_http_server *server = data;
    struct wr_error err = {0};

    (void)events;
    for (unsigned i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            bool exhausted =
                errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
            /* The listener stays readable meanwhile: looking away is what keeps the loop from
             * spinning. */
            if (exhausted &&
                wr_timer_start(server->loop, &server->retry, RETRY_MS, on_retry, server, &err) == 0)
                wr_source_set_events(source, 0);
            return;
        }
        /* Without room for one more, the descriptor is closed and the peer sees that. */
        (void)!wr_http_server_adopt(server, fd, &err);
    }
}

int wr_http_server_new(struct wr_loop *loop, int listen_fd, const struct wr_http_server_opts *opts,
                       struct wr_http_server **ret, struct wr_error *err)
{
    wr_auto_close int fd = listen_fd;
    wr_auto_free struct wr_http_server *server = wr_calloc(1, sizeof(*server));

    if (!server)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new HTTP server");
    int r = fd < 0 ? 0 : wr_fd_set_nonblock(fd, true);
    if (r < 0)
        return wr_fail(err, WR_E_INTERNAL, -r, "listening socket %d of the HTTP server", fd);
    server->loop = loop;
    server->opts = *opts;
    if (server->opts.head_timeout_ms == 0)
        server->opts.head_timeout_ms = WR_HTTP_HEAD_TIMEOUT_MS;
    if (server->opts.idle_timeout_ms == 0)
        server->opts.idle_timeout_ms = WR_HTTP_IDLE_TIMEOUT_MS;
    if (server->opts.stall_timeout_ms == 0)
        server->opts.stall_timeout_ms = WR_HTTP_STALL_TIMEOUT_MS;
    wr_list_init(&server->conns);
    if (fd >= 0)
        r = wr_source_add(loop, &server->source, fd, EPOLLIN, on_accept, server, err);
    if (r < 0)
        return r;
    server->fd = wr_steal_fd(&fd);
    *ret = wr_steal_ptr(&server);
    return 0;
}

void wr_http_server_stop_accepting(struct wr_http_server *server)
{
    if (!server)
        return;
    wr_source_remove(&server->source);
    wr_timer_stop(&server->retry);
    server->fd = wr_close(server->fd);
}

struct wr_http_server *wr_http_server_free(struct wr_http_server *server)
{
    if (!server)
        return NULL;
    wr_http_server_stop_accepting(server);
    while (!wr_list_empty(&server->conns))
        wr_server_conn_close(wr_list_entry(server->conns.next, struct wr_server_conn, link));
    free(server);
    return NULL;
}

size_t wr_http_server_connections(const struct wr_http_server *server)
{
    return server ? server->count : 0;
}
