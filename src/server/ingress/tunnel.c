#include "server/ingress/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "log/log.h"
#include "server/relay.h"
#include "server/server.h"

enum { CLIENT = 0, SERVICE = 1 };

struct tunnel {
    struct wr_upstream *upstream;
    struct wr_relay *relay;
};

static void tunnel_free(struct tunnel *tunnel)
{
    struct wr_server *server = tunnel->upstream->server;

    tunnel->upstream->on_drop = NULL;
    wr_upstream_close(tunnel->upstream);
    free(tunnel);
    wr_server_touch(server);
}

static void on_end(struct wr_relay *relay, int error, void *data)
{
    (void)error;
    wr_relay_free(relay);
    tunnel_free(data);
}

/* Not the end of a stream: neither side must take what it has got for the whole. */
static void on_sandbox_gone(struct wr_upstream *upstream)
{
    struct tunnel *tunnel = upstream->drop_data;

    tunnel->relay = wr_relay_cut(tunnel->relay);
    tunnel_free(tunnel);
}

/* What is on its way when the sockets leave HTTP. */
struct taken {
    struct wr_buf rest[2]; /* read from that side */
    struct wr_buf out[2];  /* not yet written to it */
};

static void taken_done(struct taken *taken)
{
    for (unsigned i = 0; i < 2; i++) {
        wr_buf_done(&taken->rest[i]);
        wr_buf_done(&taken->out[i]);
    }
}

/* Both descriptors, into `fds`, and what was read or written ahead. Bytes that were to go out
 * before, the 101 head among them, come before what the other side has said since. */
static int take_sockets(struct taken *taken, struct wr_exchange *ex, struct wr_http_call *call,
                        int fds[2])
{
    int fd = wr_exchange_hijack(ex, &taken->rest[CLIENT], &taken->out[CLIENT]);

    if (fd < 0) {
        wr_exchange_abort(ex);
        wr_http_call_cancel(call);
        return fd;
    }
    fds[CLIENT] = fd;
    fd = wr_http_call_hijack(call, &taken->rest[SERVICE], &taken->out[SERVICE]);
    if (fd < 0) {
        wr_http_call_cancel(call);
        return fd;
    }
    fds[SERVICE] = fd;
    for (unsigned i = 0; i < 2; i++) {
        const struct wr_buf *rest = &taken->rest[!i];
        int r = wr_buf_append(&taken->out[i], wr_buf_ptr(rest), rest->len);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Without a word: the peer must not take that for the end of a stream. */
static void reset(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)wr_close(fd);
}

void wr_tunnel_join(struct wr_upstream *upstream, const int fds[2], struct wr_buf *const first[2],
                    bool pair)
{
    struct tunnel *tunnel = wr_calloc(1, sizeof *tunnel);
    struct wr_error error = {0};
    struct wr_relay_opts opts = {
        .fds = {fds[CLIENT], fds[SERVICE]},
        .first = {first[CLIENT], first[SERVICE]},
        .pair = {pair, false},
        .stall_ms = WR_HTTP_STALL_TIMEOUT_MS,
        .on_end = on_end,
        .data = tunnel,
    };

    if (!tunnel) {
        reset(fds[CLIENT]);
        reset(fds[SERVICE]);
        wr_upstream_close(upstream);
        return;
    }
    tunnel->upstream = upstream;
    upstream->on_drop = on_sandbox_gone;
    upstream->drop_data = tunnel;
    if (wr_relay_start(upstream->server->loop, &opts, &tunnel->relay, &error) < 0) {
        wr_log(WR_LOG_WARN, "a connection into a sandbox could not be set up", "error", error.msg,
               NULL);
        tunnel_free(tunnel);
    }
}

void wr_tunnel_start(struct wr_upstream *upstream, struct wr_exchange *ex,
                     struct wr_http_call *call, bool pair)
{
    static const struct wr_exchange_ops no_ops = {0};
    WR_CLEANUP(taken_done) struct taken taken = {0};
    struct wr_buf *first[2] = {&taken.out[CLIENT], &taken.out[SERVICE]};
    int fds[2] = {-1, -1};

    for (unsigned i = 0; i < 2; i++) {
        wr_buf_init(&taken.rest[i], WR_HTTP_OUT_MAX);
        wr_buf_init(&taken.out[i], 2 * WR_HTTP_OUT_MAX);
    }
    wr_exchange_set_ops(ex, &no_ops, NULL);
    int r = take_sockets(&taken, ex, call, fds);
    if (fds[SERVICE] >= 0)
        upstream->conn = NULL;
    if (r == 0) {
        wr_tunnel_join(upstream, fds, first, pair);
        return;
    }
    reset(fds[CLIENT]);
    reset(fds[SERVICE]);
    wr_upstream_close(upstream);
}
