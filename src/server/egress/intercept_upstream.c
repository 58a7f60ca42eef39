#include "server/egress/intercept_upstream.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

static void on_ready(struct wr_timer *timer, void *data)
{
    struct wr_intercept_upstream *upstream = data;

    (void)timer;
    upstream->fn(upstream, NULL);
}

static void fail(struct wr_intercept_upstream *upstream, const struct wr_error *error)
{
    const struct wr_error failure = *error;

    wr_intercept_upstream_close(upstream);
    upstream->fn(upstream, &failure);
}

static void on_lost(struct wr_http_conn *conn, void *data)
{
    (void)conn;
    wr_intercept_upstream_finish(data);
}

/* `fd` carries plain bytes; it becomes owned. The connection is told of in the next round. */
static int adopt(struct wr_intercept_upstream *upstream, int fd, struct wr_error *err)
{
    int r = wr_http_conn_new(upstream->loop, fd, NULL, 0, &upstream->conn, err);

    if (r < 0)
        return r;
    wr_http_conn_wipe_sent(upstream->conn);
    wr_http_conn_on_lost(upstream->conn, on_lost, upstream);
    return wr_timer_start(upstream->loop, &upstream->told, 0, on_ready, upstream, err);
}

static int on_tls_open(struct wr_tls_session *session, int fd, void *data, struct wr_error *err)
{
    (void)session;
    return adopt(data, fd, err);
}

static void on_tls_end(struct wr_tls_session *session, const struct wr_error *error, void *data)
{
    struct wr_intercept_upstream *upstream = data;

    upstream->truncated = wr_tls_session_truncated(session);
    upstream->tls = NULL;
    /* Else the HTTP connection sees the end of its stream. */
    if (error)
        fail(upstream, error);
}

static void on_connected(struct wr_outbound *outbound, int fd, const struct wr_error *error)
{
    struct wr_intercept_upstream *upstream =
        wr_container_of(outbound, struct wr_intercept_upstream, outbound);
    const struct wr_tls_session_opts opts = {
        .loop = upstream->loop,
        .context = upstream->context,
        .server_name = upstream->name,
        .handshake_timeout_ms = WR_INTERCEPT_HANDSHAKE_MS,
        .wipe = true,
        .group = upstream->group,
        .on_open = on_tls_open,
        .on_end = on_tls_end,
        .data = upstream,
    };
    struct wr_error own = {0};

    if (error) {
        fail(upstream, error);
        return;
    }
    int r = upstream->context ? wr_tls_session_new(&opts, fd, &upstream->tls, &own)
                              : adopt(upstream, fd, &own);
    if (r < 0)
        fail(upstream, &own);
}

void wr_intercept_upstream_start(struct wr_intercept_upstream *upstream,
                                 const struct wr_intercept_target *target)
{
    struct wr_outbound_target to = {
        .name = upstream->name, .port = target->port, .asker = target->asker};

    upstream->loop = target->loop;
    upstream->group = target->group;
    upstream->context = target->context;
    upstream->truncated = upstream->reused = false;
    /* A name that does not fit resolves to nothing. */
    if (!wr_strcopy(upstream->name, sizeof upstream->name, target->name))
        upstream->name[0] = '\0';
    if (target->address) {
        to.name = NULL;
        to.address = *target->address;
    }
    upstream->outbound = (struct wr_outbound){.fn = on_connected};
    wr_outbound_start(&upstream->outbound, target->loop, target->resolver, target->guard,
                      target->policy, &to);
}

bool wr_intercept_upstream_usable(const struct wr_intercept_upstream *upstream)
{
    return upstream->conn && wr_http_conn_idle(upstream->conn);
}

bool wr_intercept_upstream_truncated(const struct wr_intercept_upstream *upstream)
{
    return upstream->truncated || (upstream->tls && wr_tls_session_truncated(upstream->tls));
}

void wr_intercept_upstream_close(struct wr_intercept_upstream *upstream)
{
    if (upstream->loop)
        wr_outbound_cancel(&upstream->outbound);
    wr_timer_stop(&upstream->told);
    upstream->conn = wr_http_conn_free(upstream->conn);
    upstream->tls = wr_tls_session_cut(upstream->tls);
}

void wr_intercept_upstream_finish(struct wr_intercept_upstream *upstream)
{
    upstream->tls = wr_tls_session_end(upstream->tls);
    wr_intercept_upstream_close(upstream);
}
