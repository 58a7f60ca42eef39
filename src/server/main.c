#include "server/main.h"

#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/fd.h"
#include "log/log.h"
#include "server/lifecycle.h"
#include "server/resync.h"
#include "server/routes.h"
#include "server/server.h"

#define MAX_CONNECTIONS     4096
#define SHUTDOWN_TIMEOUT_MS 20000

void wr_server_touch(struct wr_server *server)
{
    server->last_activity_ms = wr_loop_now_ms(server->loop);
}

/* ---- the end ---- */

static void stop_failed(struct wr_server *server, const struct wr_error *error)
{
    if (server->fatal.code == WR_OK)
        server->fatal = *error;
    wr_loop_stop(server->loop, -server->fatal.code);
}

static void on_signal(int signo, void *data)
{
    struct wr_server *server = data;

    wr_log(WR_LOG_INFO, "server ends", "signal", strsignal(signo), NULL);
    wr_loop_stop(server->loop, 0);
}

static void on_shutdown(const struct wr_engine_reply *reply, const struct wr_error *error,
                        void *data)
{
    struct wr_server *server = data;

    (void)reply;
    if (error)
        wr_log(WR_LOG_WARN, "the engine did not confirm its end", "error", error->msg, NULL);
    wr_loop_stop(server->loop, 0);
}

static void start_idle_timer(struct wr_server *server, uint64_t delay_ms);

static void on_idle(struct wr_timer *timer, void *data)
{
    struct wr_server *server = data;
    uint64_t quiet_ms = wr_loop_now_ms(server->loop) - server->last_activity_ms;
    struct wr_engine_request request = {
        .action = WR_ACTION_SHUTDOWN, .json = "{}", .len = 2, .timeout_ms = SHUTDOWN_TIMEOUT_MS};
    struct wr_error error = {0};

    (void)timer;
    if (wr_http_server_connections(server->http) > 0 ||
        wr_sandbox_table_count(server->sandboxes) > 0 || wr_engine_pending(server->engine) > 0)
        quiet_ms = 0;
    if (quiet_ms < server->idle_timeout_ms) {
        start_idle_timer(server, server->idle_timeout_ms - quiet_ms);
        return;
    }
    wr_log(WR_LOG_INFO, "nothing to do, ending", NULL);
    /* New clients are refused before the engine ends: they start a server of their own. */
    server->draining = true;
    server->http = wr_http_server_free(server->http);
    if (wr_engine_call(server->engine, &request, on_shutdown, server, &error) < 0)
        stop_failed(server, &error);
}

static void start_idle_timer(struct wr_server *server, uint64_t delay_ms)
{
    struct wr_error error = {0};

    if (server->idle_timeout_ms &&
        wr_timer_start(server->loop, &server->idle_timer, delay_ms, on_idle, server, &error) < 0)
        stop_failed(server, &error);
}

/* ---- the engine ---- */

static int start_http(struct wr_server *server, struct wr_error *err)
{
    struct wr_http_server_opts opts = {
        .max_connections = MAX_CONNECTIONS, .handler = wr_server_handle, .data = server};

    int r = wr_http_server_new(server->loop, wr_steal_fd(&server->listen_fd), &opts, &server->http,
                               err);
    if (r < 0)
        return r;
    wr_server_touch(server);
    start_idle_timer(server, server->idle_timeout_ms);
    if (server->ready_fd >= 0) {
        /* Whoever waited may have left already. */
        if (wr_write_all(server->ready_fd, "R", 1) < 0)
            wr_log(WR_LOG_DEBUG, "nobody waits for readiness", NULL);
        server->ready_fd = wr_close(server->ready_fd);
    }
    wr_log(WR_LOG_INFO, "server is ready", NULL);
    return 0;
}

static void on_resynced(const struct wr_error *error, void *data)
{
    struct wr_server *server = data;
    struct wr_error own = {0};

    if (error) {
        /* A restart in the middle of the list comes with its own READY and a new list. */
        if (error->code == WR_E_UNAVAILABLE)
            return;
        stop_failed(server, error);
        return;
    }
    if (!server->http && !server->draining && start_http(server, &own) < 0)
        stop_failed(server, &own);
}

static void on_engine_ready(void *data)
{
    struct wr_server *server = data;
    struct wr_error error = {0};

    if (server->draining)
        return;
    if (wr_resync(server, on_resynced, server, &error) < 0)
        stop_failed(server, &error);
}

static void on_engine_gone(const char *id, const char *reason, void *data)
{
    wr_lifecycle_gone(data, id, reason);
}

static void on_engine_orphan(const char *id, void *data)
{
    wr_lifecycle_kill_orphan(data, id);
}

static void on_engine_lost(const struct wr_error *error, void *data)
{
    struct wr_server *server = data;

    if (server->draining)
        wr_loop_stop(server->loop, 0);
    else
        stop_failed(server, error);
}

static const struct wr_engine_events engine_events = {
    .on_ready = on_engine_ready,
    .on_gone = on_engine_gone,
    .on_orphan = on_engine_orphan,
    .on_lost = on_engine_lost,
};

/* ---- start ---- */

static int set_up(struct wr_server *server, int engine_fd, struct wr_error *err)
{
    static const int signos[] = {SIGTERM, SIGINT, 0};
    wr_auto_close int owned_fd = engine_fd;

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return wr_fail_errno(err, WR_E_INTERNAL, "ignore SIGPIPE");
    server->sandboxes = wr_sandbox_table_new();
    if (!server->sandboxes)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "table of sandboxes");
    int r = wr_loop_new(&server->loop, err);
    if (r == 0)
        r = wr_signals_add(server->loop, &server->signals, signos, on_signal, server, err);
    if (r == 0)
        r = wr_engine_client_new(server->loop, wr_steal_fd(&owned_fd), &engine_events, server,
                                 &server->engine, err);
    return r;
}

static void tear_down(struct wr_server *server)
{
    server->http = wr_http_server_free(server->http);
    wr_timer_stop(&server->idle_timer);
    if (server->sandboxes && server->loop)
        wr_lifecycle_forget_all(server);
    server->engine = wr_engine_client_free(server->engine);
    wr_signals_remove(&server->signals);
    server->sandboxes = wr_sandbox_table_free(server->sandboxes);
    server->loop = wr_loop_free(server->loop);
    wr_close(server->listen_fd);
    wr_close(server->ready_fd);
}

int wr_server_run(const struct wr_server_opts *opts, struct wr_error *err)
{
    struct wr_server server = {
        .listen_fd = opts->listen_fd,
        .ready_fd = opts->ready_fd,
        .idle_timeout_ms = opts->idle_timeout_ms,
        .signals = {.fd = -1},
    };

    int r = set_up(&server, opts->engine_fd, err);
    if (r == 0)
        r = wr_loop_run(server.loop, err);
    if (r < 0 && server.fatal.code != WR_OK)
        *err = server.fatal;
    tear_down(&server);
    return r;
}
