#include "server/egress/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/egress/connection.h"
#include "server/server.h"

#define NEW_PER_S           1000
#define DNS_PER_S           500
#define DEFAULT_CONNECTIONS 1024

/* Descriptors: what everything else may need, and what one connection needs at most for long: its
 * two ends, and a pipe. An intercepted one has two sessions with a socket pair each, and takes two
 * places. */
#define RESERVED_FDS       16384
#define FDS_PER_CONNECTION 4

/* Connections taken per event, so that a flood of them does not starve the open ones, and how long
 * a sandbox waits whose connections were refused by a limit. */
#define ACCEPTS_PER_EVENT 32
#define FLOOD_PAUSE_MS    5
#define EXHAUSTED_MS      100

#define GUARD_REFRESH_MS 5000
#define ASK_ATTEMPTS     6
#define ASK_FIRST_MS     100 /* doubled with each attempt */

enum { TCP4 = 0, UDP4 = 1, TCP6 = 2, UDP6 = 3 };

/* ---- accepting ---- */

static void on_pause_over(struct wr_timer *timer, void *data)
{
    struct wr_egress_sandbox *owner = data;

    (void)timer;
    for (size_t i = 0; i < WR_ARRAY_SIZE(owner->listeners); i++)
        if (owner->listeners[i].loop)
            wr_source_set_events(&owner->listeners[i], EPOLLIN);
}

/* The sockets stay readable meanwhile. */
static void pause_accepting(struct wr_egress_sandbox *owner, uint64_t delay_ms)
{
    struct wr_error ignored = {0};

    if (wr_timer_start(owner->egress->server->loop, &owner->pause, delay_ms, on_pause_over, owner,
                       &ignored) < 0)
        return;
    for (size_t i = 0; i < WR_ARRAY_SIZE(owner->listeners); i++)
        if (owner->listeners[i].loop)
            wr_source_set_events(&owner->listeners[i], 0);
}

static void refresh_guard(struct wr_egress *egress)
{
    uint64_t now_ms = wr_loop_now_ms(egress->server->loop);

    if (egress->guard_read_ms && now_ms - egress->guard_read_ms < GUARD_REFRESH_MS)
        return;
    egress->guard_read_ms = now_ms;
    wr_guard_refresh(egress->guard);
}

/* A nest has rights over its sandboxes' namespaces and can end what listens there (SOCK_DESTROY);
 * the socket would be ready for ever. */
static void stop_listening(const struct wr_egress_sandbox *owner, struct wr_source *source)
{
    static struct wr_log_limit limit;

    wr_source_remove(source);
    wr_log_limited(&limit, WR_LOG_WARN, "a socket of the egress was ended by somebody else",
                   "sandbox", owner->sandbox->id, NULL);
}

static void on_accept(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_egress_sandbox *owner = data;
    bool refused = false;

    (void)events;
    refresh_guard(owner->egress);
    for (unsigned i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(owner, EXHAUSTED_MS);
            else if (errno == EINVAL)
                stop_listening(owner, source);
            break;
        }
        if (!wr_net_connection_new(owner, fd))
            refused = true;
    }
    if (refused)
        pause_accepting(owner, FLOOD_PAUSE_MS);
}

/* ---- the sockets of a sandbox ---- */

static int listen_to(struct wr_egress_sandbox *owner, struct wr_source *source, int fd,
                     struct wr_error *err)
{
    const int one = 1;

    if (fd < 0)
        return 0;
    /* Accepted sockets inherit it; without it small messages are slower. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return wr_source_add(owner->egress->server->loop, source, fd, EPOLLIN, on_accept, owner, err);
}

/* Takes what the record keeps. */
static int begin(struct wr_egress_sandbox *owner, struct wr_error *err)
{
    struct wr_egress *egress = owner->egress;
    struct wr_sandbox *sandbox = owner->sandbox;

    for (size_t i = 0; i < WR_ACTION_EGRESS_SOCKETS; i++)
        owner->fds[i] = wr_steal_fd(&sandbox->egress_fds[i]);
    const struct wr_dns_opts opts = {
        .loop = egress->server->loop,
        .resolver = egress->resolver,
        .budget = &owner->budget,
        .log = owner->log,
        .policy = &owner->policy,
        .groups = egress->groups,
        .sandbox_id = sandbox->id,
        .udp_fds = {owner->fds[UDP4], owner->fds[UDP6]},
    };
    int r = wr_dns_new(&opts, &owner->dns, err);
    if (r == 0)
        r = listen_to(owner, &owner->listeners[0], owner->fds[TCP4], err);
    if (r == 0)
        r = listen_to(owner, &owner->listeners[1], owner->fds[TCP6], err);
    return r;
}

struct ask_op {
    struct wr_server *server;
    char id[WR_ID_LEN + 1];
};

static void ask_later(struct wr_egress_sandbox *owner, const struct wr_error *why);

static void log_failure(const struct wr_egress_sandbox *owner, const struct wr_error *error)
{
    static struct wr_log_limit limit;

    if (error->code == WR_E_UNIMPLEMENTED) {
        if (!owner->egress->missing_logged)
            wr_log(WR_LOG_WARN, "sandboxes have no egress on this host", "error", error->msg, NULL);
        owner->egress->missing_logged = true;
        return;
    }
    wr_log_limited(&limit, WR_LOG_WARN, "a sandbox has no egress", "sandbox", owner->sandbox->id,
                   "error", error->msg, NULL);
}

static void on_sockets(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct ask_op *op = data;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);
    struct wr_egress_sandbox *owner = sandbox ? sandbox->egress : NULL;
    struct wr_error own = {0};

    free(op);
    if (!owner || owner->dns)
        return;
    if (error) {
        ask_later(owner, error);
        return;
    }
    if (reply->fd_count == 0) {
        (void)wr_fail(&own, WR_E_INTERNAL, 0, "the engine has no sockets for it");
        log_failure(owner, &own);
        return;
    }
    wr_sandbox_keep_egress(sandbox, reply->fds, reply->fd_count);
    if (begin(owner, &own) < 0)
        log_failure(owner, &own);
}

static int ask(struct wr_egress_sandbox *owner, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    struct ask_op *op = wr_calloc(1, sizeof *op);
    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", owner->sandbox->id);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (!op || r < 0) {
        free(op);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sockets of %s", owner->sandbox->id);
    }
    struct wr_engine_request request = {
        .action = WR_ACTION_EGRESS, .json = wr_buf_ptr(&json), .len = json.len};
    op->server = owner->egress->server;
    memcpy(op->id, owner->sandbox->id, sizeof op->id);
    r = wr_engine_call(op->server->engine, &request, on_sockets, op, err);
    if (r < 0)
        free(op);
    return r;
}

static void on_ask(struct wr_timer *timer, void *data)
{
    struct wr_egress_sandbox *owner = data;
    struct wr_error error = {0};

    (void)timer;
    if (ask(owner, &error) < 0)
        ask_later(owner, &error);
}

/* A host without the means says so at once; else the engine may be busy, or starting again, or the
 * server before this one, or a process of the sandbox, has not let go of the addresses yet. */
static void ask_later(struct wr_egress_sandbox *owner, const struct wr_error *why)
{
    struct wr_error ignored = {0};
    bool hopeless = why->code == WR_E_UNIMPLEMENTED || why->code == WR_E_NOT_FOUND;

    if (hopeless || ++owner->attempts >= ASK_ATTEMPTS ||
        wr_timer_start(owner->egress->server->loop, &owner->retry,
                       (uint64_t)ASK_FIRST_MS << owner->attempts, on_ask, owner, &ignored) < 0)
        log_failure(owner, why);
}

/* ---- sandboxes ---- */

/* Nothing gets out when the operator has said so. */
static int make_policy(const struct wr_server *server, const struct wr_sandbox *sandbox,
                       struct wr_net_policy **ret, struct wr_error *err)
{
    const json_t *settings = sandbox->settings;

    if (server->config->egress.off)
        return wr_net_policy_new(NULL, false, ret, err);
    return wr_net_policy_new(json_object_get(settings, "network"),
                             !json_is_false(json_object_get(settings, "allowInternetAccess")), ret,
                             err);
}

static struct wr_egress_sandbox *owner_free(struct wr_egress_sandbox *owner)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(owner->listeners); i++)
        wr_source_remove(&owner->listeners[i]);
    wr_timer_stop(&owner->pause);
    wr_timer_stop(&owner->retry);
    while (!wr_list_empty(&owner->connections))
        wr_net_connection_cut(owner->connections.next, "the sandbox ended");
    owner->dns = wr_dns_free(owner->dns);
    wr_net_groups_leave(owner->egress->groups, owner->sandbox->id);
    for (size_t i = 0; i < WR_ACTION_EGRESS_SOCKETS; i++)
        (void)wr_close(owner->fds[i]);
    owner->log = wr_net_log_free(owner->log);
    wr_net_policy_put(owner->policy);
    free(owner);
    return NULL;
}

static int owner_new(struct wr_egress *egress, struct wr_sandbox *sandbox,
                     struct wr_egress_sandbox **ret, struct wr_error *err)
{
    struct wr_egress_sandbox *owner = wr_calloc(1, sizeof *owner);

    if (!owner)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "egress");
    owner->egress = egress;
    owner->sandbox = sandbox;
    wr_list_init(&owner->connections);
    for (size_t i = 0; i < WR_ACTION_EGRESS_SOCKETS; i++)
        owner->fds[i] = -1;
    wr_net_budget_init(&owner->budget, &egress->limits, wr_mono_us());
    owner->log = wr_net_log_new(sandbox->id, &egress->counters);
    int r = owner->log ? make_policy(egress->server, sandbox, &owner->policy, err)
                       : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "egress");
    if (r < 0) {
        owner_free(owner);
        return r;
    }
    *ret = owner;
    return 0;
}

void wr_egress_start(struct wr_server *server, struct wr_sandbox *sandbox)
{
    struct wr_egress_sandbox *owner = NULL;
    struct wr_error error = {0};

    if (sandbox->egress)
        return;
    int r = owner_new(server->egress, sandbox, &owner, &error);
    if (r < 0) {
        wr_log(WR_LOG_WARN, "a sandbox has no egress", "sandbox", sandbox->id, "error", error.msg,
               NULL);
        return;
    }
    sandbox->egress = owner;
    if (wr_net_groups_update(server->egress->groups, sandbox->id, sandbox->team_id, owner->policy,
                             &error) < 0)
        wr_log(WR_LOG_WARN, "a sandbox is not in its network group", "sandbox", sandbox->id,
               "error", error.msg, NULL);
    if (sandbox->egress_fds[TCP4] >= 0)
        r = begin(owner, &error);
    else if (ask(owner, &error) < 0)
        ask_later(owner, &error);
    if (r < 0)
        log_failure(owner, &error);
}

/* Members of a group hold connections to one that has just left it. */
static void judge_others(struct wr_server *server, const struct wr_sandbox *changed)
{
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        struct wr_sandbox *other = wr_list_entry(it, struct wr_sandbox, link);
        if (other != changed && other->egress && wr_streq(other->team_id, changed->team_id))
            wr_list_foreach(connection, &other->egress->connections)
                wr_net_connection_judge(connection);
    }
}

int wr_egress_update(struct wr_server *server, struct wr_sandbox *sandbox, struct wr_error *err)
{
    struct wr_egress_sandbox *owner = sandbox->egress;
    struct wr_net_policy *policy = NULL;

    if (!owner)
        return 0;
    int r = make_policy(server, sandbox, &policy, err);
    if (r == 0)
        r = wr_net_groups_update(server->egress->groups, sandbox->id, sandbox->team_id, policy,
                                 err);
    if (r < 0) {
        wr_net_policy_put(policy);
        return r;
    }
    bool was_in_group = wr_net_policy_group(owner->policy) != NULL;
    wr_net_policy_put(owner->policy);
    owner->policy = policy;
    wr_list_foreach(it, &owner->connections)
        wr_net_connection_judge(it);
    if (was_in_group)
        judge_others(server, sandbox);
    return 0;
}

bool wr_egress_transforms(const struct wr_sandbox *sandbox)
{
    return sandbox->egress && wr_net_policy_transforms(sandbox->egress->policy);
}

void wr_egress_stop(struct wr_sandbox *sandbox)
{
    for (size_t i = 0; i < WR_ACTION_EGRESS_SOCKETS; i++)
        sandbox->egress_fds[i] = wr_close(sandbox->egress_fds[i]);
    if (sandbox->egress)
        sandbox->egress = owner_free(sandbox->egress);
}

/* ---- of the server ---- */

/* A connection too many is refused to its sandbox; a descriptor too many would be missing for the
 * control API. */
static size_t count_places(void)
{
    struct rlimit limit = {.rlim_cur = 1024};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    size_t fds = WR_MIN((size_t)limit.rlim_cur, (size_t)1 << 24);
    fds = fds > 2 * RESERVED_FDS ? fds - RESERVED_FDS : fds / 2;
    return fds / FDS_PER_CONNECTION;
}

int wr_egress_new(struct wr_server *server, struct wr_egress **ret, struct wr_error *err)
{
    const struct wr_egress_config *config = &server->config->egress;
    struct wr_egress *egress = wr_calloc(1, sizeof *egress);
    uint32_t most = config->max_connections ? config->max_connections : DEFAULT_CONNECTIONS;

    if (!egress)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "egress");
    egress->server = server;
    egress->places = count_places();
    egress->limits = (struct wr_net_limits){.max_connections = most,
                                            .new_per_s = WR_MAX(most, NEW_PER_S),
                                            .bytes_per_s = config->bandwidth_bytes_per_s,
                                            .dns_per_s = DNS_PER_S};
    int r = wr_guard_new(config->open, &egress->guard, err);
    if (r == 0)
        r = wr_resolver_new(server->loop, config->dns_servers, egress->guard, &egress->resolver,
                            err);
    const struct wr_intercept_opts opts = {.state_dir = server->config->state_dir,
                                           .ca_file = config->ca_pem,
                                           .resolver = egress->resolver,
                                           .guard = egress->guard,
                                           .store = server->store};
    if (r == 0)
        r = wr_intercept_new(server->loop, &opts, &egress->intercept, err);
    egress->groups = wr_net_groups_new();
    if (r == 0 && !egress->groups)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "egress");
    if (r < 0) {
        (void)wr_egress_free(egress);
        return r;
    }
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].kind != WR_LISTEN_LOCAL)
            wr_guard_close_listener(egress->guard, server->listeners[i].fd);
    *ret = egress;
    return 0;
}

struct wr_egress *wr_egress_free(struct wr_egress *egress)
{
    if (!egress)
        return NULL;
    egress->intercept = wr_intercept_free(egress->intercept);
    egress->resolver = wr_resolver_free(egress->resolver);
    egress->groups = wr_net_groups_free(egress->groups);
    egress->guard = wr_guard_free(egress->guard);
    free(egress);
    return NULL;
}

/* ---- views ---- */

struct wr_net_log *wr_egress_log(const struct wr_sandbox *sandbox)
{
    return sandbox->egress ? sandbox->egress->log : NULL;
}

void wr_egress_flows(const struct wr_sandbox *sandbox,
                     void (*fn)(const struct wr_net_flow *flow, void *data), void *data)
{
    struct wr_net_flow flow;

    if (!sandbox->egress)
        return;
    wr_list_foreach(it, &sandbox->egress->connections) {
        wr_net_connection_describe(it, &flow);
        fn(&flow, data);
    }
}

const struct wr_net_counters *wr_egress_counters(const struct wr_server *server)
{
    return &server->egress->counters;
}

const char *wr_egress_authority(struct wr_server *server, struct wr_error *err)
{
    return wr_intercept_authority(server->egress->intercept, err);
}
