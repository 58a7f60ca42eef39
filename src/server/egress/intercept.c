#include "server/egress/intercept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "server/egress/intercept_conn.h"
#include "tls/context.h"

#define CLIENT_HANDSHAKE_MS 15000
#define CLOSE_MS            2000 /* the client's side has that long to take the last bytes */

/* ---- what all share ---- */

int wr_intercept_new(struct wr_loop *loop, const struct wr_intercept_opts *opts,
                     struct wr_intercept **ret, struct wr_error *err)
{
    struct wr_intercept *intercept = wr_calloc(1, sizeof *intercept);

    if (!intercept)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "interception");
    intercept->loop = loop;
    intercept->opts = *opts;
    intercept->opts.state_dir = wr_strdup(opts->state_dir);
    intercept->opts.ca_file = opts->ca_file ? wr_strdup(opts->ca_file) : NULL;
    wr_list_init(&intercept->sessions.sessions);
    if (!intercept->opts.state_dir || (opts->ca_file && !intercept->opts.ca_file)) {
        (void)wr_intercept_free(intercept);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "interception");
    }
    *ret = intercept;
    return 0;
}

struct wr_intercept *wr_intercept_free(struct wr_intercept *intercept)
{
    if (!intercept)
        return NULL;
    while (!wr_list_empty(&intercept->sessions.sessions))
        wr_tls_session_cut_node(intercept->sessions.sessions.next);
    (void)wr_authority_free(intercept->authority);
    SSL_CTX_free(intercept->client);
    free((char *)(uintptr_t)intercept->opts.state_dir);
    free((char *)(uintptr_t)intercept->opts.ca_file);
    free(intercept);
    return NULL;
}

static int need_authority(struct wr_intercept *intercept, struct wr_error *err)
{
    return intercept->authority
               ? 0
               : wr_authority_open(intercept->opts.state_dir, &intercept->authority, err);
}

const char *wr_intercept_authority(struct wr_intercept *intercept, struct wr_error *err)
{
    return need_authority(intercept, err) < 0 ? NULL : wr_authority_pem(intercept->authority);
}

/* ---- the end of a connection ---- */

/* Everything that could call back goes; the memory stays. */
static void release(struct wr_intercepted *it)
{
    wr_timer_stop(&it->timer);
    wr_source_remove(&it->held);
    it->upgraded = true; /* what the HTTP server says from here on changes nothing */
    wr_intercept_request_drop(it);
    it->http = wr_http_server_free(it->http);
    it->relay = wr_relay_cut(it->relay);
    it->tls = wr_tls_session_cut(it->tls);
    it->held_fd = wr_close(it->held_fd);
    it->opts.policy = wr_net_policy_put(it->opts.policy);
}

static void on_over(struct wr_timer *timer, void *data)
{
    struct wr_intercepted *it = data;

    (void)timer;
    release(it);
    it->opts.on_end(it, it->reason, it->opts.data);
    free(it);
}

/* Without memory for the timer it stays until it is cut. */
static void end_in(struct wr_intercepted *it, uint64_t delay_ms)
{
    struct wr_error ignored = {0};

    (void)!wr_timer_start(it->shared->loop, &it->timer, delay_ms, on_over, it, &ignored);
}

void wr_intercepted_over(struct wr_intercepted *it, const char *reason)
{
    if (*it->reason)
        return;
    (void)snprintf(it->reason, sizeof it->reason, "%.127s", reason);
    end_in(it, 0);
}

struct wr_intercepted *wr_intercepted_cut(struct wr_intercepted *it)
{
    if (!it)
        return NULL;
    release(it);
    free(it);
    return NULL;
}

/* ---- another policy ---- */

bool wr_intercepted_allowed(const struct wr_intercepted *it)
{
    const struct wr_outbound *outbound = &it->upstream.outbound;
    struct wr_net_decision decision = {.verdict = WR_NET_ALLOW};

    if (outbound->has_address && !wr_net_policy_proxy(it->opts.policy))
        wr_net_policy_connect(it->opts.policy, it->shared->opts.guard, &outbound->address,
                              it->opts.port, it->name, &decision);
    return decision.verdict == WR_NET_ALLOW;
}

bool wr_intercepted_judge(struct wr_intercepted *it, struct wr_net_policy *policy)
{
    struct wr_net_policy *old = it->opts.policy;

    it->opts.policy = wr_net_policy_hold(policy);
    wr_net_policy_put(old);
    /* What is still being connected is judged when it is there. */
    return wr_intercepted_allowed(it);
}

/* ---- the client's side ---- */

static void on_http_gone(void *data);

static int new_http(struct wr_intercepted *it, struct wr_error *err)
{
    const struct wr_http_server_opts opts = {
        .max_connections = 1,
        .handler = wr_intercept_request_handle,
        .on_refused = wr_intercept_request_refused,
        .on_gone = on_http_gone,
        .data = it,
        /* A plain client may end its stream behind its request; with TLS that is its goodbye. */
        .eof_aborts = it->opts.tls,
    };

    return wr_http_server_new(it->shared->loop, -1, &opts, &it->http, err);
}

static int on_tls_open(struct wr_tls_session *session, int fd, void *data, struct wr_error *err)
{
    struct wr_intercepted *it = data;
    const char *said = wr_tls_session_said(session);
    char why[200];

    if (!said || !wr_strcaseeq(said, it->name)) {
        (void)snprintf(why, sizeof why, "SNI %.80s is not %.80s", said ? said : "(none)", it->name);
        wr_intercept_request_refused(421, why, it);
        (void)wr_close(fd);
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0, "%s", why);
    }
    return wr_http_server_adopt(it->http, fd, err);
}

static void on_tls_end(struct wr_tls_session *session, const struct wr_error *error, void *data)
{
    struct wr_intercepted *it = data;

    (void)session;
    it->tls = NULL;
    /* After an upgrade the bytes under way end it. */
    if (!it->upgraded)
        wr_intercepted_over(it, error ? error->msg : it->cut_short ? "cut" : "closed");
}

static void on_client_left(struct wr_source *source, uint32_t events, void *data)
{
    (void)events;
    wr_source_remove(source);
    end_in(data, 0);
}

/* Without TLS: the stream is ended, and the socket stays open until the other side has seen that
 * (relay.h); closed at once it would look cut. */
static void on_http_gone(void *data)
{
    struct wr_intercepted *it = data;
    struct wr_error error = {0};

    if (it->upgraded || it->opts.tls || *it->reason)
        return;
    if (it->cut_short || shutdown(it->held_fd, SHUT_WR) < 0 ||
        wr_source_add(it->shared->loop, &it->held, it->held_fd, 0, on_client_left, it, &error) <
            0) {
        wr_intercepted_over(it, it->cut_short ? "cut" : "closed");
        return;
    }
    (void)snprintf(it->reason, sizeof it->reason, "closed");
    end_in(it, CLOSE_MS);
}

static int start_tls(struct wr_intercepted *it, int fd, struct wr_error *err)
{
    struct wr_intercept *shared = it->shared;
    struct wr_tls_session_opts opts = {
        .loop = shared->loop,
        .handshake_timeout_ms = CLIENT_HANDSHAKE_MS,
        .group = &shared->sessions,
        .on_open = on_tls_open,
        .on_end = on_tls_end,
        .data = it,
    };
    wr_auto_close int owned = fd;

    int r = need_authority(shared, err);
    if (r == 0 && !shared->client)
        r = wr_tls_client_context_new(shared->opts.ca_file, &shared->client, err);
    if (r == 0)
        r = wr_authority_context(shared->authority, it->name, &opts.context, err);
    return r < 0 ? r : wr_tls_session_new(&opts, wr_steal_fd(&owned), &it->tls, err);
}

static int start_plain(struct wr_intercepted *it, int fd, struct wr_error *err)
{
    it->held_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (it->held_fd < 0) {
        int r = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "interception");
        (void)wr_close(fd);
        return r;
    }
    return wr_http_server_adopt(it->http, fd, err);
}

int wr_intercepted_start(struct wr_intercept *intercept, const struct wr_intercepted_opts *opts,
                         struct wr_intercepted **ret, struct wr_error *err)
{
    wr_auto_close int fd = opts->fd;
    struct wr_intercepted *it = wr_calloc(1, sizeof *it);

    if (!it)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "interception");
    it->shared = intercept;
    it->opts = *opts;
    it->opts.policy = wr_net_policy_hold(opts->policy);
    it->held_fd = -1;
    int r = wr_strcopy(it->name, sizeof it->name, opts->name) &&
                    wr_strcopy(it->team_id, sizeof it->team_id, opts->team_id)
                ? new_http(it, err)
                : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "interception: the name is too long");
    if (r == 0)
        r = opts->tls ? start_tls(it, wr_steal_fd(&fd), err)
                      : start_plain(it, wr_steal_fd(&fd), err);
    if (r < 0)
        (void)wr_intercepted_cut(it);
    else
        *ret = it;
    return r;
}
