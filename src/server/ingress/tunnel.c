#include "server/ingress/tunnel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "log/log.h"
#include "server/server.h"

struct side {
    struct tunnel *tunnel;
    struct side *other;
    int fd; /* owned */
    struct wr_source source;
    struct wr_buf out; /* bytes for this side */
    bool read_eof;     /* this side sends no more */
    bool write_done;   /* it was told that nothing more comes */
    bool hung_up;      /* left the loop, which would report that without end; its last bytes may
                          still be in the socket */
};

struct tunnel {
    struct wr_upstream *upstream;
    struct side client, service;
    struct wr_timer stall;
    uint64_t moved, moved_seen; /* bytes written to either side, and their count at the last look */
};

static void side_done(struct side *side)
{
    wr_source_remove(&side->source);
    side->fd = wr_close(side->fd);
    wr_buf_done(&side->out);
}

static void tunnel_free(struct tunnel *tunnel)
{
    struct wr_server *server = tunnel->upstream->server;

    wr_timer_stop(&tunnel->stall);
    side_done(&tunnel->client);
    side_done(&tunnel->service);
    tunnel->upstream->on_drop = NULL;
    wr_upstream_close(tunnel->upstream);
    free(tunnel);
    wr_server_touch(server);
}

/* The same when it is not over: neither side must take what it has got for the whole. */
static void tunnel_cut(struct tunnel *tunnel)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    /* On what is not TCP it does nothing, and the close alone tells (tls/session.c). */
    (void)setsockopt(tunnel->client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)setsockopt(tunnel->service.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    tunnel_free(tunnel);
}

static void on_sandbox_gone(struct wr_upstream *upstream)
{
    tunnel_cut(upstream->drop_data);
}

/* 0, or -errno when the connection is broken. */
static int write_out(struct side *side)
{
    while (side->out.len > 0) {
        ssize_t n = send(side->fd, wr_buf_ptr(&side->out), side->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        wr_buf_consume(&side->out, (size_t)n);
        side->tunnel->moved += (uint64_t)n;
    }
    if (side->other->read_eof && !side->write_done) {
        side->write_done = true;
        if (shutdown(side->fd, SHUT_WR) < 0)
            return -errno;
    }
    return 0;
}

/* One read of `side` into the buffer of the other side. 0 or -errno. */
static int read_in(struct side *side)
{
    size_t want = WR_MIN(wr_buf_room(&side->other->out), (size_t)WR_HTTP_READ_SIZE);

    if (side->read_eof || want == 0)
        return 0;
    char *into = wr_buf_reserve(&side->other->out, want);
    if (!into)
        return -ENOMEM;
    ssize_t n = read(side->fd, into, want);
    if (n < 0 && (errno == EINTR || (errno == EAGAIN && !side->hung_up)))
        return 0;
    if (n < 0 && errno != EAGAIN)
        return -errno;
    n = WR_MAX(n, 0);
    side->read_eof = n == 0;
    wr_buf_commit(&side->other->out, (size_t)n);
    return 0;
}

/* Carries what this side has to say as far as it goes. 0 or -errno. */
static int carry(struct side *side)
{
    int r = write_out(side->other);

    /* No event will tell of more behind a hang-up, but what is there is no more than a socket's
     * buffer. */
    while (r == 0 && side->hung_up && !side->read_eof && side->other->out.len == 0) {
        r = read_in(side);
        if (r == 0)
            r = write_out(side->other);
    }
    return r;
}

/* Both directions have ended, or one that hung up has nothing left to say. */
static bool is_over(const struct side *side)
{
    return (side->write_done && side->other->write_done) ||
           (side->hung_up && side->read_eof && side->other->out.len == 0);
}

static void update_events(struct side *side)
{
    uint32_t events = 0;

    if (!side->read_eof && wr_buf_room(&side->other->out) > 0)
        events |= EPOLLIN;
    if (side->out.len > 0)
        events |= EPOLLOUT;
    wr_buf_trim(&side->out, 0);
    if (!side->hung_up)
        wr_source_set_events(&side->source, events);
}

static void on_stall(struct wr_timer *timer, void *data);

/* Armed while bytes wait for a side that takes none. 0 or -ENOMEM. */
static int watch_progress(struct tunnel *tunnel)
{
    struct wr_error error = {0};

    if (tunnel->client.out.len == 0 && tunnel->service.out.len == 0) {
        wr_timer_stop(&tunnel->stall);
        return 0;
    }
    if (tunnel->stall.loop && tunnel->moved == tunnel->moved_seen)
        return 0;
    tunnel->moved_seen = tunnel->moved;
    return wr_timer_start(tunnel->upstream->server->loop, &tunnel->stall, WR_HTTP_STALL_TIMEOUT_MS,
                          on_stall, tunnel, &error) < 0
               ? -ENOMEM
               : 0;
}

static void on_stall(struct wr_timer *timer, void *data)
{
    (void)timer;
    tunnel_cut(data);
}

static void on_side(struct wr_source *source, uint32_t events, void *data)
{
    struct side *side = data;
    struct tunnel *tunnel = side->tunnel;
    int r = events & EPOLLERR ? -EIO : 0;

    if (events & EPOLLHUP) {
        wr_source_remove(source);
        side->hung_up = true;
    }
    if (r == 0 && (events & EPOLLIN))
        r = read_in(side);
    if (r == 0)
        r = carry(&tunnel->client);
    if (r == 0)
        r = carry(&tunnel->service);
    if (r == 0)
        r = watch_progress(tunnel);
    if (r < 0) {
        tunnel_cut(tunnel);
        return;
    }
    if (is_over(&tunnel->client) || is_over(&tunnel->service)) {
        tunnel_free(tunnel);
        return;
    }
    update_events(&tunnel->client);
    update_events(&tunnel->service);
}

static void side_init(struct side *side, struct tunnel *tunnel, struct side *other)
{
    side->tunnel = tunnel;
    side->other = other;
    side->fd = -1;
    wr_buf_init(&side->out, WR_TUNNEL_BUFFER + WR_HTTP_OUT_MAX);
}

/* Both descriptors and what was read or written ahead. The 101 head goes out first, then what the
 * service has said behind its own. */
static int take_sockets(struct tunnel *tunnel, struct wr_exchange *ex, struct wr_http_call *call)
{
    wr_auto_buf unsent = WR_BUF(WR_HTTP_OUT_MAX);
    int fd = wr_exchange_hijack(ex, &tunnel->service.out, &tunnel->client.out);

    if (fd < 0) {
        wr_exchange_abort(ex);
        return fd;
    }
    tunnel->client.fd = fd;
    fd = wr_http_call_hijack(call, &tunnel->client.out, &unsent);
    if (fd < 0)
        return fd;
    tunnel->service.fd = fd;
    tunnel->upstream->conn = NULL;
    return wr_buf_append(&tunnel->service.out, wr_buf_ptr(&unsent), unsent.len);
}

void wr_tunnel_start(struct wr_upstream *upstream, struct wr_exchange *ex,
                     struct wr_http_call *call)
{
    static const struct wr_exchange_ops no_ops = {0};
    struct wr_loop *loop = upstream->server->loop;
    struct tunnel *tunnel = wr_calloc(1, sizeof *tunnel);
    struct wr_error error = {0};

    wr_exchange_set_ops(ex, &no_ops, NULL);
    if (!tunnel) {
        wr_http_call_cancel(call);
        wr_upstream_close(upstream);
        wr_exchange_abort(ex);
        return;
    }
    side_init(&tunnel->client, tunnel, &tunnel->service);
    side_init(&tunnel->service, tunnel, &tunnel->client);
    tunnel->upstream = upstream;
    upstream->on_drop = on_sandbox_gone;
    upstream->drop_data = tunnel;
    int r = take_sockets(tunnel, ex, call);
    if (r == 0)
        r = wr_source_add(loop, &tunnel->client.source, tunnel->client.fd, EPOLLIN | EPOLLOUT,
                          on_side, &tunnel->client, &error);
    if (r == 0)
        r = wr_source_add(loop, &tunnel->service.source, tunnel->service.fd, EPOLLIN | EPOLLOUT,
                          on_side, &tunnel->service, &error);
    if (r < 0) {
        wr_log(WR_LOG_WARN, "upgraded connection could not be set up", "error", error.msg, NULL);
        if (upstream->conn)
            wr_http_call_cancel(call);
        tunnel_free(tunnel);
    }
}
