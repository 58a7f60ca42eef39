#include "server/egress/connection.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "server/egress/outbound.h"
#include "server/egress/sniff.h"
#include "server/ingress/dial.h"
#include "server/relay.h"
#include "server/server.h"

#define PORT_HTTP      80
#define PORT_DNS       53
#define READ_SIZE      4096
#define SERVER_LIMIT   "connection limit of the server"
#define REFUSAL_LOG_MS 1000 /* of what limits refuse, one event in that time is logged */

enum state {
    STATE_SNIFFING = 0,   /* waits for the name */
    STATE_CONNECTING = 1, /* the host's connection is being made */
    STATE_RELAYING = 2,
};

struct wr_net_connection {
    struct wr_list link; /* owner->connections */
    struct wr_egress_sandbox *owner;
    enum state state;
    uint64_t number, began_ms, began_wall_ms;
    struct wr_ip address; /* that the sandbox chose; later the one that was connected to */
    uint16_t port;
    char name[WR_POLICY_MAX_DOMAIN + 1];       /* "": unknown */
    char asked_name[WR_POLICY_MAX_DOMAIN + 1]; /* for the log only; "": none */
    char rule[WR_POLICY_RULE_TEXT];
    bool by_name;
    bool opened;                  /* the event was logged */
    bool second_place;            /* it has twice the descriptors of others */
    struct wr_net_policy *policy; /* held; that has admitted it */
    int fd;                       /* the sandbox's end, until the relay has it */
    struct wr_source source;
    struct wr_timer timer;
    struct wr_buf first; /* what was read while the name was looked for */
    struct wr_outbound outbound;
    bool in_group; /* it goes to another member of the sandbox's group */
    char peer_id[WR_ID_LEN + 1];
    struct wr_dial dial;
    struct wr_upstream *peer; /* the connection into it, without its descriptor */
    struct wr_relay *relay;
    struct wr_intercepted *intercepted;
    char reason[96]; /* that the intercepted connection gave for its end */
};

static struct wr_net_connection *of_link(const struct wr_list *link)
{
    return wr_list_entry((struct wr_list *)(uintptr_t)link, struct wr_net_connection, link);
}

/* ---- the end ---- */

/* The other side sees a reset, not an end. */
static void reset(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};

    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)wr_close(fd);
}

static void connection_free(struct wr_net_connection *c)
{
    wr_source_remove(&c->source);
    wr_timer_stop(&c->timer);
    wr_outbound_cancel(&c->outbound);
    wr_dial_cancel(&c->dial);
    c->relay = wr_relay_cut(c->relay);
    if (c->peer)
        wr_upstream_close(c->peer);
    c->intercepted = wr_intercepted_cut(c->intercepted);
    reset(c->fd);
    wr_buf_done(&c->first);
    wr_net_policy_put(c->policy);
    wr_list_remove(&c->link);
    wr_net_budget_disconnect(&c->owner->budget);
    c->owner->egress->used -= c->second_place ? 2 : 1;
    free(c);
}

/* The name that the connection has said, else the one that was asked for before it. */
static const char *shown_name(const struct wr_net_connection *c)
{
    return *c->name ? c->name : c->asked_name;
}

static void log_event(struct wr_net_connection *c, enum wr_net_event_kind kind, const char *rule,
                      const char *detail)
{
    struct wr_net_event event = {
        .kind = kind,
        .verdict = kind == WR_NET_EVENT_DENY ? WR_NET_DENY : WR_NET_ALLOW,
        .connection = c->number,
        .has_address = true,
        .address = c->address,
        .port = c->port,
    };

    (void)!wr_strcopy(event.name, sizeof event.name, shown_name(c));
    (void)!wr_strformat(event.rule, sizeof event.rule, "%s", rule);
    (void)!wr_strformat(event.detail, sizeof event.detail, "%s", detail);
    if (kind != WR_NET_EVENT_OPEN) {
        event.bytes_out = c->relay ? wr_relay_bytes(c->relay, 1) : 0;
        event.bytes_in = c->relay ? wr_relay_bytes(c->relay, 0) : 0;
        event.duration_ms = wr_mono_ms() - c->began_ms;
    }
    wr_net_log_add(c->owner->log, &event);
}

static void log_open(struct wr_net_connection *c)
{
    c->opened = true;
    log_event(c, WR_NET_EVENT_OPEN, c->rule, "");
}

/* Its end after it was admitted. */
static void end(struct wr_net_connection *c, const char *reason)
{
    if (c->opened)
        log_event(c, WR_NET_EVENT_CLOSE, c->rule, reason);
    connection_free(c);
}

static void deny(struct wr_net_connection *c, const char *rule, const char *detail)
{
    log_event(c, WR_NET_EVENT_DENY, rule, detail);
    end(c, detail);
}

/* ---- bytes ---- */

static void on_relay_end(struct wr_relay *relay, int error, void *data)
{
    struct wr_net_connection *c = data;
    const char *reason = error == 0           ? "done"
                         : error == ETIMEDOUT ? "stalled or timed out"
                                              : wr_errno_text(error);

    if (c->opened)
        log_event(c, WR_NET_EVENT_CLOSE, c->rule, *c->reason ? c->reason : reason);
    wr_relay_free(relay);
    c->relay = NULL;
    connection_free(c);
}

/* Takes over `other`, connected, for the sandbox's end. */
static void relay_to(struct wr_net_connection *c, int other, bool pair)
{
    struct wr_error error = {0};

    wr_source_remove(&c->source);
    wr_timer_stop(&c->timer);
    const struct wr_relay_opts opts = {
        .fds = {wr_steal_fd(&c->fd), other},
        .first = {NULL, c->first.len > 0 ? &c->first : NULL},
        .pair = {false, pair},
        .budget = c->owner->budget.limits.bytes_per_s ? &c->owner->budget : NULL,
        .on_end = on_relay_end,
        .data = c,
    };
    c->state = STATE_RELAYING;
    if (wr_relay_start(c->owner->egress->server->loop, &opts, &c->relay, &error) < 0)
        end(c, error.msg);
}

/* ---- the other end ---- */

static void on_intercepted_end(struct wr_intercepted *it, const char *reason, void *data)
{
    struct wr_net_connection *c = data;

    (void)it;
    c->intercepted = NULL;
    (void)!wr_strformat(c->reason, sizeof c->reason, "%s", reason ? reason : "");
}

/* The relay ends with its end of the pair. */
static void intercept(struct wr_net_connection *c)
{
    struct wr_egress *egress = c->owner->egress;
    struct wr_error error = {0};
    int pair[2] = {-1, -1};

    if (egress->used >= egress->places) {
        end(c, SERVER_LIMIT);
        return;
    }
    egress->used++;
    c->second_place = true;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        end(c, wr_errno_text(errno));
        return;
    }
    const struct wr_intercepted_opts opts = {
        .fd = pair[1],
        .tls = c->port != PORT_HTTP,
        .name = c->name,
        .port = c->port,
        .policy = c->policy,
        .team_id = c->owner->sandbox->team_id,
        .log = c->owner->log,
        .connection = c->number,
        .on_end = on_intercepted_end,
        .data = c,
    };
    if (wr_intercepted_start(egress->intercept, &opts, &c->intercepted, &error) < 0) {
        (void)wr_close(pair[0]);
        end(c, error.msg);
        return;
    }
    relay_to(c, pair[0], true);
}

static void on_turn(struct wr_timer *timer, void *data)
{
    (void)timer;
    intercept(data);
}

/* One sandbox's handshakes must not take the loop from all others. */
static void intercept_in_turn(struct wr_net_connection *c)
{
    struct wr_error error = {0};
    uint64_t wait_ms =
        c->port == PORT_HTTP ? 0 : wr_net_budget_handshake(&c->owner->budget, wr_mono_us());

    if (wait_ms == 0)
        intercept(c);
    else if (wr_timer_start(c->owner->egress->server->loop, &c->timer, wait_ms, on_turn, c,
                            &error) < 0)
        end(c, error.msg);
}

static void on_outbound(struct wr_outbound *outbound, int fd, const struct wr_error *error)
{
    struct wr_net_connection *c = wr_container_of(outbound, struct wr_net_connection, outbound);

    /* Behind a proxy it is the proxy's. */
    if (outbound->has_address && !wr_net_policy_proxy(c->policy))
        c->address = outbound->address;
    if (error && error->code == WR_E_PERMISSION_DENIED) {
        deny(c, error->msg, c->by_name ? "the name's addresses" : "");
        return;
    }
    log_open(c);
    if (error)
        end(c, error->msg);
    else
        relay_to(c, fd, false);
}

static void connect_out(struct wr_net_connection *c)
{
    struct wr_egress *egress = c->owner->egress;
    const struct wr_outbound_target target = {
        .name = c->by_name ? c->name : NULL,
        .address = c->address,
        .port = c->port,
        .asker = c->owner->log,
    };

    c->outbound.fn = on_outbound;
    wr_outbound_start(&c->outbound, egress->server->loop, egress->resolver, egress->guard,
                      c->policy, &target);
}

/* ---- another sandbox of the group ---- */

static void on_peer_drop(struct wr_upstream *upstream)
{
    end(upstream->drop_data, "the other sandbox ended");
}

static void on_dialled(struct wr_dial *dial, struct wr_upstream *upstream,
                       const struct wr_error *error)
{
    struct wr_net_connection *c = wr_container_of(dial, struct wr_net_connection, dial);

    log_open(c);
    if (error) {
        end(c, error->msg);
        return;
    }
    c->peer = upstream;
    upstream->on_drop = on_peer_drop;
    upstream->drop_data = c;
    relay_to(c, upstream->fd, false);
}

/* Being a member allows everything but the agent, which would be a way to run programs there. */
static void connect_peer(struct wr_net_connection *c, const char *peer_id)
{
    struct wr_server *server = c->owner->egress->server;
    struct wr_sandbox *peer = peer_id ? wr_sandbox_table_find(server->sandboxes, peer_id) : NULL;

    if (!peer || peer->state != WR_SANDBOX_RUNNING) {
        deny(c, "blocked: no member of the network group has this address", "");
        return;
    }
    if (c->port == WR_AGENT_PORT || c->port == WR_INTERPRETER_PORT) {
        deny(c, "blocked: the agent of another sandbox", "");
        return;
    }
    c->state = STATE_CONNECTING;
    c->in_group = true;
    (void)!wr_strcopy(c->peer_id, sizeof c->peer_id, peer_id);
    (void)!wr_strcopy(c->rule, sizeof c->rule, "network group");
    c->dial.port = c->port;
    c->dial.fn = on_dialled;
    wr_dial_socket(&c->dial, server, peer);
}

/* ---- the decision ---- */

/* Each request of plain HTTP that a name has admitted has to be for that name; headers are set only
 * where the bytes can be seen. */
static bool needs_intercept(const struct wr_net_connection *c, const struct wr_net_policy *policy,
                            bool by_name)
{
    if (!*c->name)
        return false;
    return (by_name && c->port == PORT_HTTP) || wr_net_policy_transform(policy, c->name);
}

static void judge_by(const struct wr_net_connection *c, struct wr_net_decision *ret)
{
    wr_net_policy_connect(c->owner->policy, c->owner->egress->guard, &c->address, c->port,
                          *c->name ? c->name : NULL, ret);
}

static void admit(struct wr_net_connection *c, const struct wr_net_decision *decision)
{
    c->state = STATE_CONNECTING;
    c->policy = wr_net_policy_hold(c->owner->policy);
    c->by_name = decision->by_name;
    (void)!wr_strcopy(c->rule, sizeof c->rule, decision->rule);
    /* Only whether the client has left matters from here on. */
    wr_source_set_events(&c->source, 0);
    wr_timer_stop(&c->timer);
    if (needs_intercept(c, c->policy, c->by_name)) {
        log_open(c);
        intercept_in_turn(c);
    } else {
        connect_out(c);
    }
}

/* Whether a name could have made a difference. Its event may show one that was asked for before and
 * that is allowed, so it has to say this. */
static bool lacks_name(const struct wr_net_connection *c)
{
    return !*c->name && wr_net_policy_sniffs(c->owner->policy, c->port) &&
           !wr_guard_check(c->owner->egress->guard, &c->address, c->port);
}

static void decide(struct wr_net_connection *c)
{
    struct wr_net_decision decision = {.verdict = WR_NET_DENY};

    judge_by(c, &decision);
    if (decision.verdict == WR_NET_ALLOW)
        admit(c, &decision);
    else
        deny(c, decision.rule, lacks_name(c) ? "no name was said" : "");
}

static void on_sniff_timeout(struct wr_timer *timer, void *data)
{
    (void)timer;
    decide(data);
}

/* One read, and what it means. */
static void sniff(struct wr_net_connection *c)
{
    char *room = wr_buf_reserve(&c->first, WR_MIN(wr_buf_room(&c->first), (size_t)READ_SIZE));
    ssize_t n = room ? recv(c->fd, room, WR_MIN(wr_buf_room(&c->first), (size_t)READ_SIZE), 0) : -1;
    enum wr_sniff found = WR_SNIFF_MORE;

    if (room && n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        end(c, "");
        return;
    }
    wr_buf_commit(&c->first, (size_t)n);
    const char *data = wr_buf_ptr(&c->first);
    if (c->first.len > 0)
        found = c->port == PORT_HTTP
                    ? wr_sniff_http(data, c->first.len, c->name)
                    : wr_sniff_tls((const unsigned char *)data, c->first.len, c->name);
    if (found != WR_SNIFF_MORE || n == 0)
        decide(c);
}

static void on_client(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_net_connection *c = data;

    (void)source;
    (void)events;
    if (c->state == STATE_SNIFFING)
        sniff(c);
    else
        end(c, "the client left before it was connected");
}

/* ---- the beginning ---- */

/* At most one event in a while, which says how many there were: a flood must not push everything
 * else out of the log. */
static void log_refusal(struct wr_egress_sandbox *owner, const struct wr_ip *address, uint16_t port,
                        const char *limit)
{
    uint64_t now_ms = wr_mono_ms();
    struct wr_net_event event = {.kind = WR_NET_EVENT_DENY,
                                 .verdict = WR_NET_DENY,
                                 .has_address = true,
                                 .address = *address,
                                 .port = port};

    if (owner->refusal_ms && now_ms - owner->refusal_ms < REFUSAL_LOG_MS) {
        owner->refusals++;
        owner->egress->counters.connections_denied++;
        return;
    }
    (void)!wr_strcopy(event.rule, sizeof event.rule, limit);
    if (owner->refusals > 0)
        (void)!wr_strformat(event.detail, sizeof event.detail, "and %llu more before",
                            (unsigned long long)owner->refusals);
    owner->refusal_ms = now_ms;
    owner->refusals = 0;
    wr_net_log_add(owner->log, &event);
}

static const char *take_place(struct wr_egress_sandbox *owner)
{
    struct wr_egress *egress = owner->egress;

    if (egress->used >= egress->places ||
        owner->budget.connections >= egress->places - egress->used)
        return SERVER_LIMIT;
    const char *limit = wr_net_budget_connect(&owner->budget, wr_mono_us());
    if (!limit)
        egress->used++;
    return limit;
}

/* Where the redirect itself lives, whatever ranges the operator has opened. */
static bool is_own_address(const struct wr_ip *address)
{
    static const char *const ranges[] = {"192.0.0.0/29", "fd00::/126", "127.0.0.0/8", "::1"};
    struct wr_ip_range range;

    for (size_t i = 0; i < WR_ARRAY_SIZE(ranges); i++)
        if (wr_ip_range_parse(ranges[i], &range) && wr_ip_in(address, &range))
            return true;
    return false;
}

static void begin(struct wr_net_connection *c)
{
    struct wr_loop *loop = c->owner->egress->server->loop;
    const char *peer_id = NULL;
    bool in_group =
        wr_net_groups_find(c->owner->egress->groups, c->owner->sandbox->id, &c->address, &peer_id);
    const char *asked = wr_dns_name_of(c->owner->dns, &c->address);
    bool sniffs = !in_group && wr_net_policy_sniffs(c->owner->policy, c->port);
    struct wr_error error = {0};
    int r = wr_source_add(loop, &c->source, c->fd, sniffs ? EPOLLIN : 0, on_client, c, &error);

    (void)!wr_strcopy(c->asked_name, sizeof c->asked_name, asked ? asked : "");
    if (r == 0 && sniffs)
        r = wr_timer_start(loop, &c->timer, WR_SNIFF_WAIT_MS, on_sniff_timeout, c, &error);
    if (r < 0)
        end(c, error.msg);
    else if (is_own_address(&c->address))
        deny(c, "blocked: the sandbox's own gateway", "");
    else if (in_group)
        connect_peer(c, peer_id);
    else if (!sniffs)
        decide(c);
}

bool wr_net_connection_new(struct wr_egress_sandbox *owner, int fd)
{
    struct sockaddr_storage wanted = {0};
    socklen_t len = sizeof wanted;
    struct wr_ip address;
    uint16_t port = 0;

    /* What the socket was connected to inside of the sandbox. */
    if (getsockname(fd, (struct sockaddr *)&wanted, &len) < 0 ||
        !wr_ip_from_sockaddr((const struct sockaddr *)&wanted, &address, &port)) {
        reset(fd);
        return true;
    }
    if (port == PORT_DNS) {
        wr_dns_serve(owner->dns, fd);
        return true;
    }
    const char *limit = take_place(owner);
    if (limit) {
        log_refusal(owner, &address, port, limit);
        reset(fd);
        return false;
    }
    struct wr_net_connection *c = wr_calloc(1, sizeof *c);
    if (!c) {
        wr_net_budget_disconnect(&owner->budget);
        owner->egress->used--;
        reset(fd);
        return false;
    }
    c->owner = owner;
    c->fd = fd;
    c->address = address;
    c->port = port;
    c->number = ++owner->last_number;
    c->began_ms = wr_mono_ms();
    c->began_wall_ms = wr_wall_ms();
    wr_buf_init(&c->first, WR_SNIFF_MAX);
    wr_list_append(&owner->connections, &c->link);
    begin(c);
    return true;
}

/* ---- changes ---- */

static bool same_transform(const struct wr_net_transform *a, const struct wr_net_transform *b)
{
    if (!a || !b)
        return a == b;
    bool same = a->header_count == b->header_count && wr_streq(a->domain, b->domain);
    for (size_t i = 0; same && i < a->header_count; i++)
        same = wr_streq(a->headers[i].name, b->headers[i].name) &&
               wr_streq(a->headers[i].value, b->headers[i].value);
    return same;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? wr_streq(a, b) : a == b;
}

static bool same_proxy(const struct wr_net_proxy *a, const struct wr_net_proxy *b)
{
    if (!a || !b)
        return a == b;
    return a->kind == b->kind && a->port == b->port && wr_streq(a->host, b->host) &&
           same_text(a->username, b->username) && same_text(a->password, b->password);
}

/* Whether the connection is one that the new policy would have made in the same way. */
static bool may_stay(const struct wr_net_connection *c, const struct wr_net_decision *decision)
{
    const struct wr_net_policy *policy = c->owner->policy;

    if (decision->verdict != WR_NET_ALLOW)
        return false;
    /* It goes to the address that the sandbox chose. */
    if (decision->by_name && !c->by_name)
        return false;
    if (!same_proxy(wr_net_policy_proxy(c->policy), wr_net_policy_proxy(policy)))
        return false;
    if (!c->intercepted)
        return !needs_intercept(c, policy, decision->by_name);
    return same_transform(wr_net_policy_transform(c->policy, c->name),
                          wr_net_policy_transform(policy, c->name)) &&
           wr_intercepted_judge(c->intercepted, c->owner->policy);
}

static bool is_still_in_group(const struct wr_net_connection *c)
{
    const char *peer_id = NULL;

    return wr_net_groups_find(c->owner->egress->groups, c->owner->sandbox->id, &c->address,
                              &peer_id) &&
           peer_id && wr_streq(peer_id, c->peer_id);
}

void wr_net_connection_judge(struct wr_list *link)
{
    struct wr_net_connection *c = of_link(link);
    struct wr_net_decision decision = {.verdict = WR_NET_DENY};

    /* Nothing is decided yet: it will be, by the new policy. */
    if (c->state == STATE_SNIFFING)
        return;
    if (c->in_group) {
        if (!is_still_in_group(c))
            deny(c, c->rule, "policy changed");
        return;
    }
    judge_by(c, &decision);
    if (!may_stay(c, &decision))
        deny(c, decision.rule, "policy changed");
}

void wr_net_connection_cut(struct wr_list *link, const char *reason)
{
    end(of_link(link), reason);
}

void wr_net_connection_describe(const struct wr_list *link, struct wr_net_flow *ret)
{
    const struct wr_net_connection *c = of_link(link);

    *ret = (struct wr_net_flow){
        .connection = c->number,
        .began_ms = c->began_wall_ms,
        .name = shown_name(c),
        .address = c->address,
        .port = c->port,
        .bytes_out = c->relay ? wr_relay_bytes(c->relay, 1) : 0,
        .bytes_in = c->relay ? wr_relay_bytes(c->relay, 0) : 0,
    };
}
