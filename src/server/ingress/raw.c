#include "server/ingress/raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "log/log.h"
#include "server/ingress/dial.h"
#include "server/ingress/request_line.h"
#include "server/ingress/tunnel.h"
#include "server/ingress/waking.h"
#include "server/server.h"

struct wr_raw_gate {
    struct wr_listener *listener;
    struct wr_list connections; /* struct knock */
};

/* A connection that has no service yet. */
struct knock {
    struct wr_list link;
    struct wr_raw_gate *gate;
    struct wr_ingress_route route;
    int fd;                  /* owned: the local end of the TLS session's socket pair */
    struct wr_source source; /* until it is known what the client speaks */
    struct wr_timer timer;
    uint64_t end_ms; /* of the waiting for its first bytes; monotonic */
    struct wr_waking waking;
    struct wr_dial dial;
};

static void knock_free(struct knock *knock)
{
    wr_source_remove(&knock->source);
    wr_timer_stop(&knock->timer);
    wr_waking_cancel(&knock->waking);
    wr_dial_cancel(&knock->dial);
    wr_list_remove(&knock->link);
    (void)wr_close(knock->fd);
    free(knock);
}

bool wr_raw_port(uint16_t port)
{
    return port != WR_AGENT_PORT && port != WR_INTERPRETER_PORT;
}

static bool is_there(const struct wr_sandbox *sandbox)
{
    return sandbox->state == WR_SANDBOX_RUNNING ||
           (sandbox->state != WR_SANDBOX_KILLING && wr_waking_possible(sandbox));
}

/* The sandbox, if raw bytes may go to that port of it, perhaps after a resume. */
static struct wr_sandbox *find_open(const struct wr_server *server,
                                    const struct wr_ingress_route *route)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, route->id);

    return sandbox && is_there(sandbox) && !sandbox->internal &&
                   sandbox->traffic_token[0] == '\0' && wr_raw_port(route->port)
               ? sandbox
               : NULL;
}

static bool allows(const char *server_name, void *data)
{
    const struct wr_raw_gate *gate = data;
    struct wr_ingress_route route;

    return !wr_host_route(server_name, strlen(server_name), &route) &&
           find_open(gate->listener->server, &route);
}

/* ---- to the service ---- */

static void reach(struct knock *knock);

/* A client whose connection ends without a word sees a reset: the port is closed. */
static void on_dialled(struct wr_dial *dial, struct wr_upstream *upstream,
                       const struct wr_error *error)
{
    struct knock *knock = wr_container_of(dial, struct knock, dial);
    const struct wr_sandbox *sandbox = find_open(knock->gate->listener->server, &knock->route);

    if (error && sandbox && sandbox->state != WR_SANDBOX_RUNNING) {
        reach(knock); /* paused meanwhile */
        return;
    }
    if (error)
        wr_log(WR_LOG_DEBUG, "a raw connection did not reach its port", "error", error->msg,
               "sandbox", knock->route.id, NULL);
    else
        wr_tunnel_join(upstream, (const int[]){wr_steal_fd(&knock->fd), upstream->fd},
                       (struct wr_buf *const[]){NULL, NULL}, true);
    knock_free(knock);
}

static void dial(struct knock *knock, struct wr_sandbox *sandbox)
{
    knock->dial.port = knock->route.port;
    knock->dial.fn = on_dialled;
    wr_dial_socket(&knock->dial, knock->gate->listener->server, sandbox);
}

static void not_resumed(struct knock *knock, const struct wr_error *error)
{
    wr_log(WR_LOG_DEBUG, "a raw connection did not resume its sandbox", "error", error->msg,
           "sandbox", knock->route.id, NULL);
    knock_free(knock);
}

static void on_awake(struct wr_waking *waking, const struct wr_error *error)
{
    struct knock *knock = wr_container_of(waking, struct knock, waking);

    if (error)
        not_resumed(knock, error);
    else
        reach(knock);
}

/* At once, or when the sandbox runs again. */
static void reach(struct knock *knock)
{
    struct wr_server *server = knock->gate->listener->server;
    struct wr_sandbox *sandbox = find_open(server, &knock->route);
    struct wr_error error = {0};

    if (!sandbox) {
        knock_free(knock);
    } else if (sandbox->state == WR_SANDBOX_RUNNING) {
        dial(knock, sandbox);
    } else {
        knock->waking.fn = on_awake;
        if (wr_waking_start(&knock->waking, server, sandbox, &error) < 0)
            not_resumed(knock, &error);
    }
}

static void go_raw(struct knock *knock)
{
    wr_source_remove(&knock->source);
    wr_timer_stop(&knock->timer);
    wr_server_touch(knock->gate->listener->server);
    reach(knock);
}

/* ---- what the client speaks ---- */

static void go_http(struct knock *knock)
{
    struct wr_error error = {0};

    wr_source_remove(&knock->source);
    if (wr_http_server_adopt(knock->gate->listener->http, wr_steal_fd(&knock->fd), &error) < 0)
        wr_log(WR_LOG_DEBUG, "a connection is not served", "error", error.msg, NULL);
    knock_free(knock);
}

static void look(struct knock *knock);

static void on_timer(struct wr_timer *timer, void *data)
{
    (void)timer;
    look(data);
}

static void on_asked(struct wr_timer *timer, void *data)
{
    (void)timer;
    go_raw(data);
}

/* Looks at the first bytes without taking them. */
static void look(struct knock *knock)
{
    static char bytes[WR_FIRST_MAX]; /* of this call only */
    struct wr_loop *loop = knock->gate->listener->server->loop;
    uint64_t now_ms = wr_loop_now_ms(loop);
    ssize_t n = recv(knock->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    enum wr_first_line line = n > 0 ? wr_first_line(bytes, (size_t)n) : WR_FIRST_MORE;
    struct wr_error error = {0};

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        knock_free(knock);
        return;
    }
    /* Who ends without a word has nothing to say to a service either. */
    if (line == WR_FIRST_HTTP || n == 0) {
        go_http(knock);
        return;
    }
    if (line == WR_FIRST_OTHER || now_ms >= knock->end_ms) {
        go_raw(knock);
        return;
    }
    /* What is there would be reported again and again. */
    if (n > 0)
        wr_source_set_events(&knock->source, 0);
    uint64_t delay_ms =
        n > 0 ? WR_MIN((uint64_t)WR_RAW_LOOK_MS, knock->end_ms - now_ms) : knock->end_ms - now_ms;
    if (wr_timer_start(loop, &knock->timer, delay_ms, on_timer, knock, &error) < 0)
        knock_free(knock);
}

static void on_client(struct wr_source *source, uint32_t events, void *data)
{
    struct knock *knock = data;

    (void)source;
    if (events & (EPOLLHUP | EPOLLERR))
        knock_free(knock);
    else
        look(knock);
}

static int watch(struct knock *knock, struct wr_error *err)
{
    struct wr_loop *loop = knock->gate->listener->server->loop;
    int r = wr_source_add(loop, &knock->source, knock->fd, EPOLLIN, on_client, knock, err);

    knock->end_ms = wr_loop_now_ms(loop) + WR_RAW_QUIET_MS;
    return r == 0 ? wr_timer_start(loop, &knock->timer, WR_RAW_QUIET_MS, on_timer, knock, err) : r;
}

static int open_raw(const char *server_name, bool asked, int fd, void *data, struct wr_error *err)
{
    struct wr_raw_gate *gate = data;
    wr_auto_close int owned = fd;
    struct knock *knock = wr_calloc(1, sizeof *knock);

    if (!knock)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "raw connection");
    knock->gate = gate;
    knock->fd = wr_steal_fd(&owned);
    wr_list_append(&gate->connections, &knock->link);
    if (wr_host_route(server_name, strlen(server_name), &knock->route)) {
        knock_free(knock);
        return wr_fail(err, WR_E_INTERNAL, 0, "server name without a route");
    }
    /* The service is dialled in the next round too: the session that calls must not end in here. */
    int r =
        asked ? wr_timer_start(gate->listener->server->loop, &knock->timer, 0, on_asked, knock, err)
              : watch(knock, err);
    if (r < 0)
        knock_free(knock);
    return r;
}

/* ---- public ---- */

struct wr_raw_gate *wr_raw_gate_new(struct wr_listener *listener)
{
    struct wr_raw_gate *gate = wr_calloc(1, sizeof *gate);

    if (!gate)
        return NULL;
    gate->listener = listener;
    wr_list_init(&gate->connections);
    return gate;
}

struct wr_tls_raw wr_raw_gate_ops(struct wr_raw_gate *gate)
{
    return (struct wr_tls_raw){.allows = allows, .open = open_raw, .data = gate};
}

struct wr_raw_gate *wr_raw_gate_free(struct wr_raw_gate *gate)
{
    if (!gate)
        return NULL;
    while (!wr_list_empty(&gate->connections))
        knock_free(wr_list_entry(gate->connections.next, struct knock, link));
    free(gate);
    return NULL;
}
