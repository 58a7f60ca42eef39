#include "server/ingress/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "json/jwrite.h"
#include "server/blanks.h"
#include "server/server.h"
#include "server/volume_content.h"

enum { V4 = 0, V6 = 1 };

/* Leaves whatever it waits for; the reserved place stays taken. */
static void leave(struct wr_dial *dial)
{
    wr_list_remove(&dial->link);
    wr_timer_stop(&dial->retry);
    for (unsigned i = 0; i < WR_DIAL_ADDRESSES; i++)
        dial->fds[i] = wr_close(dial->fds[i]);
    dial->sandbox = NULL;
}

static void give_up(struct wr_dial *dial, const struct wr_error *error)
{
    wr_dial_cancel(dial);
    dial->fn(dial, NULL, error);
}

/* ---- connecting ---- */

/* One attempt. 0, also while it is under way, or -errno; then the socket can be used again, for the
 * same address only. */
static int connect_to(int fd, const struct sockaddr *address, socklen_t len)
{
    const struct sockaddr unconnected = {.sa_family = AF_UNSPEC};
    socklen_t failure_len = sizeof(int);
    int failure = 0;

    if (connect(fd, address, len) < 0 && errno != EINPROGRESS)
        return -errno;
    /* On loopback the outcome is there as soon as the call returns. */
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &failure_len) < 0)
        return -errno;
    if (failure && connect(fd, &unconnected, sizeof unconnected) < 0)
        return -errno;
    return -failure;
}

/* The engine's sockets speak IPv6 and IPv4, or only IPv4 on a host without IPv6. */
static int connect_v4(int fd, uint16_t port)
{
    const struct sockaddr_in plain = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct sockaddr_in6 mapped = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
        .sin6_addr.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1},
    };
    int r = connect_to(fd, (const struct sockaddr *)&mapped, sizeof mapped);

    return r == -EAFNOSUPPORT ? connect_to(fd, (const struct sockaddr *)&plain, sizeof plain) : r;
}

static int connect_v6(int fd, uint16_t port)
{
    const struct sockaddr_in6 address = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
        .sin6_addr = IN6ADDR_LOOPBACK_INIT,
    };

    return connect_to(fd, (const struct sockaddr *)&address, sizeof address);
}

static bool prefers_v6(const struct wr_sandbox *sandbox, uint16_t port)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(sandbox->v6_ports); i++)
        if (sandbox->v6_ports[i] == port)
            return true;
    return false;
}

static void remember_v6(struct wr_sandbox *sandbox, uint16_t port)
{
    if (!prefers_v6(sandbox, port))
        sandbox->v6_ports[sandbox->v6_next++ % WR_ARRAY_SIZE(sandbox->v6_ports)] = port;
}

static void connected(struct wr_dial *dial, unsigned address)
{
    struct wr_upstream *upstream = NULL;
    struct wr_error error = {0};
    const int one = 1;
    int fd = wr_steal_fd(&dial->fds[address]);

    /* Small messages must not wait for acknowledgements; without it things are slower, not wrong.
     */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (address == V6)
        remember_v6(dial->sandbox, dial->port);
    int r = dial->plain ? wr_upstream_new_plain(dial->server, dial->sandbox, dial->port, fd,
                                                &upstream, &error)
                        : wr_upstream_new(dial->server, dial->sandbox, dial->port, wr_steal_fd(&fd),
                                          &upstream, &error);
    if (r < 0) {
        (void)wr_close(fd);
        give_up(dial, &error);
        return;
    }
    /* The reserved place is the connection's from here on. */
    leave(dial);
    dial->fn(dial, upstream, NULL);
}

static void request_sockets(struct wr_server *server, struct wr_sandbox *sandbox);

/* Makes sure that there is a socket for the address; false when it has to be waited for (or the
 * dial is over). */
static bool have_socket(struct wr_dial *dial, unsigned address)
{
    struct wr_sandbox *sandbox = dial->sandbox;
    bool have = dial->fds[address] >= 0;

    if (!have) {
        dial->fds[address] = wr_sandbox_take_socket(sandbox);
        have = dial->fds[address] >= 0;
        if (!have)
            wr_list_append(&sandbox->waiters, &dial->link);
        /* The last spare socket is replaced before somebody has to wait for one. */
        if (sandbox->socket_count == 0)
            request_sockets(dial->server, sandbox);
    }
    return have;
}

static void on_retry(struct wr_timer *timer, void *data);

/* Every address was tried. */
static void round_failed(struct wr_dial *dial)
{
    struct wr_error error = {0};

    dial->tried = 0;
    /* The agent listens before its sandbox is known to anybody: there it is not too early, but
     * over. */
    if (dial->failure == -ECONNREFUSED && dial->port != WR_AGENT_PORT &&
        ++dial->rounds < WR_DIAL_ROUNDS &&
        wr_timer_start(dial->server->loop, &dial->retry, (uint64_t)dial->rounds * WR_DIAL_PAUSE_MS,
                       on_retry, dial, &error) == 0) {
        wr_list_append(&dial->sandbox->retrying, &dial->link);
        return;
    }
    (void)wr_fail(&error, WR_E_UNAVAILABLE, -dial->failure, "connect to port %u in the sandbox",
                  dial->port);
    give_up(dial, &error);
}

/* Tries the addresses of this round that are left, as far as there are sockets. */
static void go_on(struct wr_dial *dial)
{
    bool agent = dial->port == WR_AGENT_PORT;
    unsigned first = !agent && prefers_v6(dial->sandbox, dial->port) ? V6 : V4;

    for (unsigned count = agent ? 1 : WR_DIAL_ADDRESSES; dial->tried < count; dial->tried++) {
        unsigned address = (first + dial->tried) % WR_DIAL_ADDRESSES;
        if (!have_socket(dial, address))
            return;
        int r = address == V4 ? connect_v4(dial->fds[address], dial->port)
                              : connect_v6(dial->fds[address], dial->port);
        if (r == 0) {
            connected(dial, address);
            return;
        }
        if (address == V4)
            dial->failure = r;
    }
    round_failed(dial);
}

static void on_retry(struct wr_timer *timer, void *data)
{
    struct wr_dial *dial = data;

    (void)timer;
    wr_list_remove(&dial->link);
    go_on(dial);
}

/* ---- sockets from the engine ---- */

struct socket_op {
    struct wr_server *server;
    char id[WR_ID_LEN + 1];
};

/* Fails those that are in the list now. */
static void fail_all(struct wr_list *dials, size_t count, const struct wr_error *error)
{
    for (size_t i = 0; i < count && !wr_list_empty(dials); i++)
        give_up(wr_list_entry(dials->next, struct wr_dial, link), error);
}

static void on_sockets(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct socket_op *op = data;
    struct wr_server *server = op->server;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, op->id);
    struct wr_error none = {0};

    if (!sandbox)
        sandbox = wr_blanks_find(server->blanks, op->id);
    if (!sandbox)
        sandbox = wr_volume_contents_find(server, op->id);
    free(op);
    if (!sandbox)
        return;
    sandbox->sockets_requested = false;
    /* Asked for before a pause: they would hold its network namespace. But its beginning may ask
     * the agent for a sign of life. */
    if (sandbox->state == WR_SANDBOX_PAUSED ||
        (sandbox->state == WR_SANDBOX_PAUSING && wr_list_empty(&sandbox->waiters)))
        return;
    if (!error && reply->fd_count == 0) {
        (void)wr_fail(&none, WR_E_INTERNAL, 0, "the engine sent no socket");
        error = &none;
    }
    if (error) {
        fail_all(&sandbox->waiters, sandbox->connection_count, error);
        return;
    }
    wr_sandbox_keep_sockets(sandbox, reply->fds, reply->fd_count);
    /* Each takes at least one. */
    while (sandbox->socket_count > 0 && !wr_list_empty(&sandbox->waiters)) {
        struct wr_dial *dial = wr_list_entry(sandbox->waiters.next, struct wr_dial, link);
        wr_list_remove(&dial->link);
        go_on(dial);
    }
    if (!wr_list_empty(&sandbox->waiters))
        request_sockets(server, sandbox);
}

static size_t wanted_sockets(const struct wr_sandbox *sandbox)
{
    size_t count = WR_DIAL_REFILL;

    wr_list_foreach(it, &sandbox->waiters) {
        if (count == WR_ACTION_MAX_SOCKETS)
            break;
        count++;
    }
    return count;
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
    wr_jw_ku64(&w, "count", wanted_sockets(sandbox));
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (!op || r < 0) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "sockets of %s", sandbox->id);
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
    fail_all(&sandbox->waiters, sandbox->connection_count, &error);
}

/* ---- public ---- */

static void begin(struct wr_dial *dial, struct wr_server *server, struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    if (!wr_upstream_reserve(server, sandbox)) {
        (void)wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, 0,
                      "too many connections to sandbox %s (at most %u)", sandbox->id,
                      wr_upstream_limit(server));
        dial->fn(dial, NULL, &error);
        return;
    }
    dial->server = server;
    dial->sandbox = sandbox;
    dial->fds[V4] = dial->fds[V6] = -1;
    dial->tried = dial->rounds = 0;
    dial->failure = 0;
    go_on(dial);
}

void wr_dial_start(struct wr_dial *dial, struct wr_server *server, struct wr_sandbox *sandbox,
                   bool fresh)
{
    struct wr_upstream *upstream = fresh ? NULL : wr_upstream_take_idle(sandbox, dial->port);

    if (upstream) {
        dial->fn(dial, upstream, NULL);
        return;
    }
    dial->plain = false;
    begin(dial, server, sandbox);
}

void wr_dial_socket(struct wr_dial *dial, struct wr_server *server, struct wr_sandbox *sandbox)
{
    dial->plain = true;
    begin(dial, server, sandbox);
}

void wr_dial_cancel(struct wr_dial *dial)
{
    struct wr_sandbox *sandbox = dial->sandbox;

    if (!sandbox)
        return;
    leave(dial);
    wr_upstream_unreserve(sandbox);
}

void wr_dial_drop_all(struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    (void)wr_fail(&error, WR_E_NOT_FOUND, 0, "sandbox %s is gone", sandbox->id);
    fail_all(&sandbox->waiters, sandbox->connection_count, &error);
    fail_all(&sandbox->retrying, sandbox->connection_count, &error);
    wr_upstream_drop_all(sandbox);
}
