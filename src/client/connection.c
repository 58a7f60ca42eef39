#include "client/connection.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

void wr_connections_init(struct wr_connections *all, struct wr_loop *loop,
                         struct wr_endpoint *endpoint)
{
    *all = (struct wr_connections){.loop = loop, .endpoint = endpoint};
    wr_list_init(&all->all);
    wr_list_init(&all->sessions.sessions);
}

void wr_connections_done(struct wr_connections *all)
{
    if (!all->loop)
        return;
    while (!wr_list_empty(&all->all))
        wr_connection_free(wr_list_entry(all->all.next, struct wr_connection, link));
    while (!wr_list_empty(&all->sessions.sessions))
        wr_tls_session_cut_node(all->sessions.sessions.next);
}

struct wr_connection *wr_connection_free(struct wr_connection *connection)
{
    if (!connection)
        return NULL;
    bool quiet = connection->http && wr_http_conn_idle(connection->http);

    wr_list_remove(&connection->link);
    wr_tcp_cancel(&connection->tcp);
    wr_timer_stop(&connection->told);
    /* A server whose connection just waits hears a goodbye. */
    connection->tls =
        quiet ? wr_tls_session_end(connection->tls) : wr_tls_session_cut(connection->tls);
    struct wr_http_conn *http = wr_steal_ptr(&connection->http);
    free(connection);
    wr_http_conn_free(http);
    return NULL;
}

struct wr_connection *wr_connection_abandon(struct wr_connection *connection)
{
    if (connection)
        connection->tls = wr_tls_session_drop(connection->tls);
    return wr_connection_free(connection);
}

void wr_connection_hand_over(struct wr_connection *connection)
{
    if (connection->tls)
        wr_tls_session_forget(connection->tls);
    connection->tls = NULL;
    connection->http = NULL;
    wr_connection_free(connection);
}

bool wr_connection_truncated(const struct wr_connection *connection)
{
    return connection->truncated || (connection->tls && wr_tls_session_truncated(connection->tls));
}

/* ---- making one ---- */

static void fail(struct wr_connection *connection, const struct wr_error *error, const char *remedy)
{
    struct wr_error told = {0};

    (void)wr_fail(&told, WR_E_UNAVAILABLE, 0, "no connection to %.80s: %s%s",
                  connection->url.authority, error->msg, remedy);
    /* Those of this process are told apart: another attempt does not help. */
    if (error->code == WR_E_RESOURCE_EXHAUSTED)
        told.code = WR_E_RESOURCE_EXHAUSTED;
    told.os_errno = error->os_errno;
    connection->fn(connection, &told, connection->data);
    wr_connection_free(connection);
}

static void on_lost(struct wr_http_conn *http, void *data)
{
    struct wr_connection *connection = data;
    struct wr_error error = {0};

    (void)http;
    if (!connection->told.loop) {
        wr_connection_free(connection);
        return;
    }
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the server closed it at once");
    fail(connection, &error, "");
}

/* `fd`, which becomes owned, carries HTTP from now on. */
static int adopt(struct wr_connection *connection, int fd, struct wr_error *err)
{
    int r = wr_http_conn_new(connection->all->loop, fd, NULL, 0, &connection->http, err);

    if (r < 0)
        return r;
    /* Keys and tokens. */
    wr_http_conn_wipe_sent(connection->http);
    wr_http_conn_on_lost(connection->http, on_lost, connection);
    return 0;
}

static void on_told(struct wr_timer *timer, void *data)
{
    struct wr_connection *connection = data;

    (void)timer;
    connection->fn(connection, NULL, connection->data);
}

static int on_tls_open(struct wr_tls_session *session, int fd, void *data, struct wr_error *err)
{
    struct wr_connection *connection = data;

    (void)session;
    connection->pair_fd = fd;
    int r = adopt(connection, fd, err);
    /* A session must not be cut while it opens, which the callee may do. */
    if (r == 0)
        r = wr_timer_start(connection->all->loop, &connection->told, 0, on_told, connection, err);
    return r;
}

static void on_tls_end(struct wr_tls_session *session, const struct wr_error *error, void *data)
{
    struct wr_connection *connection = data;

    connection->truncated = wr_tls_session_truncated(session);
    connection->tls = NULL;
    /* Later than that, HTTP sees the end of its stream. */
    if (error)
        fail(connection, error,
             "; check the host, and SSL_CERT_FILE if its authority is one of your own");
}

static void on_tcp(struct wr_tcp *tcp, int fd, const struct wr_error *error)
{
    struct wr_connection *connection = wr_container_of(tcp, struct wr_connection, tcp);
    struct wr_connections *all = connection->all;
    uint64_t now = wr_mono_ms();
    struct wr_tls_session_opts opts = {
        .loop = all->loop,
        .server_name = connection->url.host,
        .handshake_timeout_ms = connection->end_ms > now ? connection->end_ms - now : 1,
        .wipe = true,
        .group = &all->sessions,
        .on_open = on_tls_open,
        .on_end = on_tls_end,
        .data = connection,
    };
    struct wr_error own = {0};

    if (error) {
        fail(connection, error, "");
        return;
    }
    connection->fd = fd;
    if (!connection->url.tls) {
        int r = adopt(connection, fd, &own);
        if (r < 0)
            fail(connection, &own, "");
        else
            connection->fn(connection, NULL, connection->data);
        return;
    }
    int r = wr_endpoint_tls(all->endpoint, &opts.context, &own);
    if (r < 0)
        (void)wr_close(fd);
    else
        r = wr_tls_session_new(&opts, fd, &connection->tls, &own);
    if (r < 0)
        fail(connection, &own, "");
}

static int connect_socket(struct wr_connection *connection, struct wr_error *err)
{
    const struct wr_endpoint *endpoint = connection->all->endpoint;
    uint64_t timeout_ms = wr_endpoint_connect_timeout_ms(endpoint);
    const struct timeval timeout = {.tv_sec = (time_t)(timeout_ms / 1000),
                                    .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
    const char *path = wr_endpoint_socket(endpoint);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    wr_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "socket");
    if (!wr_strcopy(address.sun_path, sizeof address.sun_path, path))
        return wr_fail(err, WR_E_INTERNAL, 0, "socket path %.60s", path);
    /* Blocking until the server's backlog has room. */
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        if (errno == EACCES || errno == EPERM)
            return wr_fail_errno(err, WR_E_PERMISSION_DENIED,
                                 "no access to %s; run this command as root", path);
        if (errno == EAGAIN)
            return wr_fail(err, WR_E_UNAVAILABLE, 0,
                           "the server on %s accepts no connections; is it stopped?", path);
        return wr_fail_errno(err, WR_E_UNAVAILABLE, "no server listens on %s", path);
    }
    int r = wr_fd_set_nonblock(fd, true);
    if (r < 0)
        return wr_fail(err, WR_E_INTERNAL, -r, "socket");
    connection->fd = fd;
    return adopt(connection, wr_steal_fd(&fd), err);
}

static int make(struct wr_connections *all, const struct wr_url *url, wr_connection_fn fn,
                void *data, struct wr_connection **ret, struct wr_error *err)
{
    struct wr_connection *connection = wr_calloc(1, sizeof *connection);
    uint64_t timeout_ms = wr_endpoint_connect_timeout_ms(all->endpoint);

    if (!connection)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "connection to the server");
    *connection = (struct wr_connection){
        .all = all,
        .url = *url,
        .tcp = {.fn = on_tcp},
        .fd = -1,
        .pair_fd = -1,
        .busy = true,
        .end_ms = wr_mono_ms() + timeout_ms,
        .fn = fn,
        .data = data,
    };
    wr_list_append(&all->all, &connection->link);
    int r = wr_endpoint_socket(all->endpoint)
                ? connect_socket(connection, err)
                : wr_tcp_start(&connection->tcp, all->loop, url->host, url->port, timeout_ms, err);
    if (r < 0) {
        wr_connection_free(connection);
        return r;
    }
    *ret = connection;
    return 0;
}

/* ---- finding one again ---- */

/* What waits to be read on a connection that should be silent is its end, or nothing to trust. */
static bool is_silent(const struct wr_connection *connection)
{
    struct pollfd fds[] = {{.fd = connection->fd, .events = POLLIN | POLLRDHUP},
                           {.fd = connection->pair_fd, .events = POLLIN | POLLRDHUP}};

    return poll(fds, WR_ARRAY_SIZE(fds), 0) == 0;
}

static bool is_usable(const struct wr_connection *connection, uint64_t now_ms)
{
    bool local = wr_endpoint_socket(connection->all->endpoint) != NULL;

    return wr_http_conn_idle(connection->http) &&
           (local || now_ms - connection->idle_since_ms < WR_CONNECTION_IDLE_MS) &&
           (!connection->url.tls || connection->tls) && is_silent(connection);
}

/* The one that has waited shortest; those that are of no use any more are freed. */
static struct wr_connection *find(struct wr_connections *all, const struct wr_url *url)
{
    struct wr_connection *found = NULL;
    uint64_t now_ms = wr_mono_ms();

    wr_list_foreach(it, &all->all) {
        struct wr_connection *connection = wr_list_entry(it, struct wr_connection, link);
        if (connection->busy)
            continue;
        if (!is_usable(connection, now_ms))
            wr_connection_free(connection);
        else if (connection->url.tls == url->tls && connection->url.port == url->port &&
                 wr_streq(connection->url.host, url->host))
            found = connection;
    }
    return found;
}

int wr_connection_take(struct wr_connections *all, const struct wr_url *url, bool fresh,
                       wr_connection_fn fn, void *data, struct wr_connection **ret,
                       struct wr_error *err)
{
    struct wr_connection *found = fresh ? NULL : find(all, url);

    if (!found)
        return make(all, url, fn, data, ret, err);
    found->busy = found->waited = true;
    *ret = found;
    return 0;
}

static void drop_oldest(struct wr_connections *all)
{
    struct wr_connection *oldest = NULL;
    size_t idle = 0;

    wr_list_foreach(it, &all->all) {
        struct wr_connection *connection = wr_list_entry(it, struct wr_connection, link);
        if (connection->busy)
            continue;
        oldest = oldest ? oldest : connection;
        idle++;
    }
    if (idle > WR_CONNECTION_IDLE_MAX)
        wr_connection_free(oldest);
}

void wr_connection_release(struct wr_connection *connection)
{
    struct wr_connections *all = connection->all;

    connection->busy = false;
    connection->idle_since_ms = wr_mono_ms();
    wr_list_remove(&connection->link);
    wr_list_append(&all->all, &connection->link);
    if (wr_http_conn_idle(connection->http)) {
        drop_oldest(all);
        return;
    }
    connection->tls = wr_tls_session_end(connection->tls);
    wr_connection_free(connection);
}
