#include "server/main.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "log/log.h"
#include "server/auth/auth.h"
#include "server/blanks.h"
#include "server/drain.h"
#include "server/durable.h"
#include "server/egress/egress.h"
#include "server/ingress/raw.h"
#include "server/lifecycle.h"
#include "server/pause_policy.h"
#include "server/resync.h"
#include "server/routes.h"
#include "server/sampler.h"
#include "server/server.h"
#include "server/snapshot_resync.h"
#include "server/snapshots.h"
#include "server/store/store.h"
#include "server/templates.h"
#include "server/tls/terminator.h"
#include "server/volume_content.h"
#include "server/volume_resync.h"
#include "server/volumes.h"
#include "server/webhooks.h"

#define MAX_CONNECTIONS      4096
#define SHUTDOWN_TIMEOUT_MS  20000
#define HANDSHAKE_TIMEOUT_MS 10000

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
    if (signo == SIGTERM && server->config->pause.hibernate_at_end && !server->stopping)
        wr_pause_policy_end(server->pause_policy);
    wr_drain_start(server);
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

static size_t open_connections(const struct wr_server *server)
{
    size_t count = 0;

    for (size_t i = 0; i < server->listener_count; i++)
        count += wr_http_server_connections(server->listeners[i].http);
    return count;
}

static void stop_accepting(struct wr_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct wr_listener *listener = &server->listeners[i];
        listener->terminator = wr_tls_terminator_free(listener->terminator);
        listener->raw = wr_raw_gate_free(listener->raw);
        listener->http = wr_http_server_free(listener->http);
        listener->fd = wr_close(listener->fd);
    }
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
    if (open_connections(server) > 0 || wr_engine_pending(server->engine) > 0 ||
        wr_webhooks_flying(server->webhooks) > 0 ||
        wr_sandbox_table_count(server->sandboxes) > wr_sandbox_table_paused(server->sandboxes))
        quiet_ms = 0;
    /* What is only frozen would end with the engine. */
    else if (quiet_ms >= server->idle_timeout_ms && !wr_pause_policy_settle(server->pause_policy))
        quiet_ms = 0;
    if (quiet_ms < server->idle_timeout_ms) {
        start_idle_timer(server, server->idle_timeout_ms - quiet_ms);
        return;
    }
    wr_log(WR_LOG_INFO, "nothing to do, ending", NULL);
    /* New clients are refused before the engine ends: they start a server of their own. */
    server->draining = true;
    stop_accepting(server);
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

/* Connections inherit it: a client that is gone without a word is noticed also when nothing is said
 * to it, after four minutes. Without it such connections stay, which harms nobody at once. */
static void set_keepalive(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 120},
        {IPPROTO_TCP, TCP_KEEPINTVL, 30},
        {IPPROTO_TCP, TCP_KEEPCNT, 4},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

/* TLS in front of `listener->http`; where host names lead to sandboxes, with a way for what is not
 * HTTP. */
static int start_tls(struct wr_listener *listener, struct wr_error *err)
{
    const struct wr_server_config *config = listener->server->config;
    struct wr_tls_raw raw = {0};
    struct wr_tls_opts tls = {.cert_pem = config->tls_cert_pem,
                              .key_pem = config->tls_key_pem,
                              .max_connections = MAX_CONNECTIONS,
                              .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS};

    if (listener->kind == WR_LISTEN_INGRESS || listener->kind == WR_LISTEN_DOMAIN) {
        listener->raw = wr_raw_gate_new(listener);
        if (!listener->raw)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "TLS listener");
        raw = wr_raw_gate_ops(listener->raw);
        tls.raw = &raw;
    }
    return wr_tls_terminator_new(listener->server->loop, wr_steal_fd(&listener->fd), listener->http,
                                 &tls, &listener->terminator, err);
}

static int start_listener(struct wr_listener *listener, struct wr_error *err)
{
    struct wr_loop *loop = listener->server->loop;
    struct wr_http_server_opts opts = {.max_connections = MAX_CONNECTIONS,
                                       .handler = wr_server_handle,
                                       .on_begin = wr_server_begin,
                                       .data = listener,
                                       .eof_aborts = listener->kind != WR_LISTEN_LOCAL};

    if (listener->kind != WR_LISTEN_LOCAL)
        set_keepalive(listener->fd);
    if (!listener->tls)
        return wr_http_server_new(loop, wr_steal_fd(&listener->fd), &opts, &listener->http, err);
    int r = wr_http_server_new(loop, -1, &opts, &listener->http, err);
    if (r < 0)
        return r;
    return start_tls(listener, err);
}

static int start_accepting(struct wr_server *server, struct wr_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < server->listener_count; i++)
        r = start_listener(&server->listeners[i], err);
    if (r < 0)
        return r;
    server->accepting = true;
    wr_server_touch(server);
    start_idle_timer(server, server->idle_timeout_ms);
    if (server->ready_fd >= 0) {
        /* Whoever waited may have left already. */
        if (wr_write_all(server->ready_fd, server->ready_text, strlen(server->ready_text)) < 0)
            wr_log(WR_LOG_DEBUG, "nobody waits for readiness", NULL);
        server->ready_fd = wr_close(server->ready_fd);
    }
    wr_log(WR_LOG_INFO, "server is ready", NULL);
    wr_templates_prepare(server);
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
    bool first = !server->accepting;
    if (first && !server->draining && start_accepting(server, &own) < 0)
        stop_failed(server, &own);
    if (first)
        wr_pause_policy_start(server->pause_policy);
    wr_blanks_start(server->blanks);
    if (!server->draining) {
        wr_volume_resync(server);
        wr_snapshot_resync(server);
    }
}

static void on_engine_ready(void *data)
{
    struct wr_server *server = data;
    struct wr_error error = {0};

    if (server->draining)
        return;
    wr_blanks_forget(server->blanks);
    wr_volume_contents_forget(server->contents);
    if (wr_resync(server, on_resynced, server, &error) < 0)
        stop_failed(server, &error);
}

static void on_engine_gone(const char *id, const char *reason, void *data)
{
    struct wr_server *server = data;

    wr_blanks_gone(server->blanks, id);
    wr_volume_contents_gone(server->contents, id);
    wr_lifecycle_gone(server, id, reason);
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
    server->snapshots = wr_server_snapshots_new();
    if (!server->sandboxes || !server->snapshots)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "table of sandboxes");
    int r = wr_store_open(server->config->state_dir, &server->store, err);
    if (r == 0)
        r = wr_auth_new(server->store, &server->auth, err);
    if (r == 0)
        r = wr_loop_new(&server->loop, err);
    if (r == 0)
        wr_job_turns_init(&server->turns, server->loop, server->config->max_jobs);
    if (r == 0)
        r = wr_signals_add(server->loop, &server->signals, signos, on_signal, server, err);
    if (r == 0)
        r = wr_engine_client_new(server->loop, wr_steal_fd(&owned_fd), &engine_events, server,
                                 &server->engine, err);
    if (r == 0)
        r = wr_durable_new(server, &server->durable, err);
    if (r == 0)
        r = wr_pause_policy_new(server, &server->pause_policy, err);
    if (r == 0)
        r = wr_sampler_new(server, &server->sampler, err);
    if (r == 0)
        r = wr_blanks_new(server, &server->blanks, err);
    if (r == 0)
        r = wr_egress_new(server, &server->egress, err);
    if (r == 0)
        r = wr_volumes_new(server, &server->volumes, err);
    if (r == 0)
        r = wr_volume_contents_new(server, &server->contents, err);
    if (r == 0)
        r = wr_webhooks_new(server, &server->webhooks, err);
    return r;
}

static void tear_down(struct wr_server *server)
{
    stop_accepting(server);
    wr_timer_stop(&server->idle_timer);
    wr_timer_stop(&server->drain_timer);
    wr_pause_policy_stop(server->pause_policy);
    if (server->sandboxes && server->loop)
        wr_lifecycle_forget_all(server);
    wr_job_turns_stop(&server->turns);
    server->engine = wr_engine_client_free(server->engine);
    server->durable = wr_durable_free(server->durable);
    server->pause_policy = wr_pause_policy_free(server->pause_policy);
    server->blanks = wr_blanks_free(server->blanks);
    server->egress = wr_egress_free(server->egress);
    server->contents = wr_volume_contents_free(server->contents);
    server->volumes = wr_volumes_free(server->volumes);
    server->snapshots = wr_server_snapshots_free(server->snapshots);
    server->sampler = wr_sampler_free(server->sampler);
    server->webhooks = wr_webhooks_free(server->webhooks);
    if (server->store)
        wr_events_flush(server);
    wr_signals_remove(&server->signals);
    server->sandboxes = wr_sandbox_table_free(server->sandboxes);
    server->templates = wr_templates_free(server->templates);
    server->auth = wr_auth_free(server->auth);
    server->store = wr_store_free(server->store);
    server->loop = wr_loop_free(server->loop);
    wr_close(server->ready_fd);
}

int wr_server_run(const struct wr_server_opts *opts, struct wr_error *err)
{
    struct wr_server server = {
        .config = opts->config,
        .listener_count = opts->listener_count,
        .ready_fd = opts->ready_fd,
        .ready_text = opts->ready_text,
        .idle_timeout_ms = opts->idle_timeout_ms,
        .signals = {.fd = -1},
    };

    for (size_t i = 0; i < opts->listener_count; i++)
        server.listeners[i] = (struct wr_listener){.server = &server,
                                                   .kind = opts->listeners[i].kind,
                                                   .tls = opts->listeners[i].tls,
                                                   .fd = opts->listeners[i].fd};
    int r = set_up(&server, opts->engine_fd, err);
    if (r == 0)
        r = wr_loop_run(server.loop, err);
    if (r < 0 && server.fatal.code != WR_OK)
        *err = server.fatal;
    tear_down(&server);
    return r;
}
