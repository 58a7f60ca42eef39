#include "cli/port_forward.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "server/relay.h"

#define RETRY_MS   100 /* accept again after the process ran out of descriptors */
#define TARGET_MAX 128

struct forward {
    struct wr_forward_opts opts;
    struct wr_loop *loop;
    struct wr_source source;
    struct wr_timer check; /* whether the sandbox is there; accept again */
    struct wr_timer retry;
    struct wr_transport_call *checking; /* NULL: none under way */
    struct wr_list connections;
    size_t count;
    char target[TARGET_MAX], sandbox[TARGET_MAX]; /* of requests */
    bool over;
    struct wr_error error; /* why */
};

struct connection {
    struct wr_list link;
    struct forward *forward;
    int fd;                         /* owned; -1 once the relay has it */
    struct wr_transport_call *call; /* until the port has taken the connection */
    struct wr_relay *relay;
};

static void update_events(struct forward *forward)
{
    bool room = forward->count < WR_FORWARD_MAX_CONNECTIONS && !forward->retry.loop;

    wr_source_set_events(&forward->source, room ? EPOLLIN : 0);
}

static void connection_free(struct connection *connection)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct forward *forward = connection->forward;

    wr_transport_cancel(connection->call);
    wr_relay_cut(connection->relay);
    if (connection->fd >= 0)
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)wr_close(connection->fd);
    wr_list_remove(&connection->link);
    free(connection);
    forward->count--;
    update_events(forward);
}

static void end(struct forward *forward, const struct wr_error *error)
{
    if (!forward->over)
        forward->error = *error;
    forward->over = true;
}

/* The sandbox or the server is gone; other failures are of one connection or question. */
static bool is_fatal(const struct wr_error *error)
{
    return error->code == WR_E_NOT_FOUND || error->code == WR_E_UNAUTHENTICATED ||
           error->code == WR_E_PERMISSION_DENIED;
}

/* ---- one connection ---- */

static void on_relay_end(struct wr_relay *relay, int error, void *data)
{
    struct connection *connection = data;

    (void)error;
    wr_relay_free(relay);
    connection->relay = NULL;
    connection_free(connection);
}

static void on_head(struct wr_transport_call *call, const struct wr_h1_head *head, void *data)
{
    wr_auto_buf to_service = WR_BUF(WR_HTTP_OUT_MAX), to_client = WR_BUF(WR_HTTP_OUT_MAX);
    struct connection *connection = data;
    struct wr_error error = {0};

    if (head->status != 101)
        return; /* on_end says so */
    int fd = wr_transport_hijack(call, &to_client, &to_service);
    if (fd < 0)
        return;
    connection->call = NULL;
    const struct wr_relay_opts opts = {
        .fds = {wr_steal_fd(&connection->fd), fd},
        .first = {&to_client, &to_service},
        .pair = {false, true},
        .on_end = on_relay_end,
        .data = connection,
    };
    if (wr_relay_start(connection->forward->loop, &opts, &connection->relay, &error) < 0)
        connection_free(connection);
}

static void on_call_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct connection *connection = data;
    struct forward *forward = connection->forward;
    struct wr_error own = {0};

    (void)call;
    connection->call = NULL;
    if (!error) {
        (void)wr_fail(&own, WR_E_UNAVAILABLE, 0, "the server does not know how to forward ports");
        error = &own;
    }
    if (is_fatal(error))
        end(forward, error);
    else if (forward->opts.on_refused)
        forward->opts.on_refused(error);
    connection_free(connection);
}

static void serve(struct forward *forward, int fd)
{
    static const struct wr_transport_ops ops = {.on_head = on_head, .on_end = on_call_end};
    struct connection *connection = wr_calloc(1, sizeof *connection);
    const struct wr_transport_request request = {
        .method = "GET", .target = forward->target, .upgrade = "tcp"};
    struct wr_error error = {0};

    if (!connection) {
        (void)wr_close(fd);
        return;
    }
    connection->forward = forward;
    connection->fd = fd;
    wr_list_append(&forward->connections, &connection->link);
    forward->count++;
    if (wr_transport_begin(forward->opts.client, &request, &ops, connection, &connection->call,
                           &error) < 0) {
        end(forward, &error);
        connection_free(connection);
    }
}

static void on_retry(struct wr_timer *timer, void *data)
{
    (void)timer;
    update_events(data);
}

static void on_accept(struct wr_source *source, uint32_t events, void *data)
{
    struct forward *forward = data;
    struct wr_error error = {0};

    (void)source;
    (void)events;
    while (forward->count < WR_FORWARD_MAX_CONNECTIONS && !forward->over) {
        int fd = accept4(forward->opts.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            bool exhausted =
                errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
            if (exhausted && wr_timer_start(forward->loop, &forward->retry, RETRY_MS, on_retry,
                                            forward, &error) < 0)
                end(forward, &error);
            break;
        }
        serve(forward, fd);
    }
    update_events(forward);
}

/* ---- the sandbox ---- */

static void on_check(struct wr_timer *timer, void *data);

static void arm_check(struct forward *forward)
{
    struct wr_error error = {0};

    if (wr_timer_start(forward->loop, &forward->check, WR_FORWARD_CHECK_MS, on_check, forward,
                       &error) < 0)
        end(forward, &error);
}

static void on_checked(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct forward *forward = data;

    (void)call;
    forward->checking = NULL;
    /* What else fails is asked again; without a server the connection fails then. */
    if (error && is_fatal(error))
        end(forward, error);
    else
        arm_check(forward);
}

static void on_check(struct wr_timer *timer, void *data)
{
    static const struct wr_transport_ops ops = {.on_end = on_checked};
    struct forward *forward = data;
    const struct wr_transport_request request = {.method = "GET", .target = forward->sandbox};
    struct wr_error error = {0};

    (void)timer;
    if (wr_transport_begin(forward->opts.client, &request, &ops, forward, &forward->checking,
                           &error) < 0)
        end(forward, &error);
}

int wr_forward_run(const struct wr_forward_opts *opts, struct wr_error *err)
{
    struct forward forward = {.opts = *opts, .loop = wr_transport_loop(opts->client)};

    if (!wr_strformat(forward.sandbox, sizeof forward.sandbox, "/sandboxes/%s", opts->sandbox_id) ||
        !wr_strformat(forward.target, sizeof forward.target, "/sandboxes/%s/ports/%u",
                      opts->sandbox_id, opts->port))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.40s\" is not a sandbox id",
                       opts->sandbox_id);
    wr_list_init(&forward.connections);
    int r = wr_source_add(forward.loop, &forward.source, opts->listen_fd, EPOLLIN, on_accept,
                          &forward, err);
    if (r == 0)
        arm_check(&forward);
    while (r == 0 && !forward.over)
        r = wr_transport_step(opts->client, -1, err);
    wr_timer_stop(&forward.check);
    wr_timer_stop(&forward.retry);
    wr_transport_cancel(forward.checking);
    while (!wr_list_empty(&forward.connections))
        connection_free(wr_list_entry(forward.connections.next, struct connection, link));
    wr_source_remove(&forward.source);
    if (r == -WR_E_CANCELED)
        return 0;
    if (r == 0) {
        *err = forward.error;
        r = -err->code;
    }
    return r;
}
