#include "server/egress/outbound.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "server/egress/handshake.h"

#define PEEK_SIZE 1024

/* ---- the end ---- */

static void release(struct wr_outbound *ob)
{
    wr_source_remove(&ob->source);
    wr_timer_stop(&ob->timer);
    wr_idle_cancel(&ob->failing);
    wr_resolve_cancel(&ob->resolve);
    if (ob->handshake)
        wr_handshake_done(ob->handshake);
    free(wr_steal_ptr(&ob->handshake));
    ob->fd = wr_close(ob->fd);
    ob->policy = wr_net_policy_put(ob->policy);
}

static void on_failing(struct wr_idle *idle, void *data)
{
    struct wr_outbound *ob = data;
    const struct wr_error failure = ob->failure;

    (void)idle;
    release(ob);
    ob->fn(ob, -1, &failure);
}

/* Later, because this may be inside of wr_outbound_start(). */
static void give_up(struct wr_outbound *ob)
{
    wr_source_remove(&ob->source);
    wr_timer_stop(&ob->timer);
    ob->failing.fn = on_failing;
    ob->failing.data = ob;
    wr_idle_queue(ob->loop, &ob->failing);
}

static void succeed(struct wr_outbound *ob)
{
    int fd = wr_steal_fd(&ob->fd);

    release(ob);
    ob->fn(ob, fd, NULL);
}

/* ---- the proxy ---- */

/* 1: more is to be sent later, 0: everything is sent. */
static int send_waiting(struct wr_outbound *ob, struct wr_error *err)
{
    struct wr_buf *out = &ob->handshake->out;

    while (out->len > 0) {
        ssize_t n = send(ob->fd, wr_buf_ptr(out), out->len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return 1;
        if (n < 0 && errno != EINTR)
            return wr_fail_errno(err, WR_E_UNAVAILABLE, "send to the proxy");
        wr_buf_consume(out, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

/* Looks before it takes: what comes behind the proxy's answer stays in the socket. */
static int read_answer(struct wr_outbound *ob, bool *ret_done, struct wr_error *err)
{
    char data[PEEK_SIZE];
    ssize_t n = recv(ob->fd, data, sizeof data, MSG_PEEK);

    *ret_done = false;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR
                   ? 0
                   : wr_fail_errno(err, WR_E_UNAVAILABLE, "the proxy's answer");
    if (n == 0)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the proxy closed the connection");
    ssize_t used = ob->handshake->protocol->feed(ob->handshake, data, (size_t)n, ret_done, err);
    if (used < 0)
        return (int)used;
    /* They are there: this takes all of them. */
    if (recv(ob->fd, data, (size_t)used, 0) != used)
        return wr_fail(err, WR_E_INTERNAL, 0, "the proxy's answer changed while it was read");
    return 0;
}

static void on_proxy(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_outbound *ob = data;
    bool done = false;

    (void)events;
    int r = send_waiting(ob, &ob->failure);
    if (r == 0)
        r = read_answer(ob, &done, &ob->failure);
    if (r == 0 && !done)
        r = send_waiting(ob, &ob->failure);
    if (r < 0)
        give_up(ob);
    else if (done)
        succeed(ob);
    else
        wr_source_set_events(source, ob->handshake->out.len > 0 ? EPOLLOUT : EPOLLIN);
}

static int start_timer(struct wr_outbound *ob, struct wr_error *err);

static int begin_handshake(struct wr_outbound *ob, const struct wr_net_proxy *proxy,
                           struct wr_error *err)
{
    ob->handshake = wr_calloc(1, sizeof *ob->handshake);
    if (!ob->handshake)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "proxy");
    int r = wr_handshake_begin(ob->handshake, proxy, ob->target.name, &ob->target.address,
                               ob->target.port, err);
    if (r == 0)
        r = start_timer(ob, err);
    if (r < 0)
        return r;
    wr_source_remove(&ob->source);
    return wr_source_add(ob->loop, &ob->source, ob->fd, EPOLLOUT, on_proxy, ob, err);
}

/* ---- connecting ---- */

static void try_next(struct wr_outbound *ob);

static void attempt_failed(struct wr_outbound *ob)
{
    wr_source_remove(&ob->source);
    wr_timer_stop(&ob->timer);
    ob->fd = wr_close(ob->fd);
    try_next(ob);
}

static int fail_attempt(struct wr_outbound *ob, enum wr_code code, int os_errno)
{
    char address[WR_IP_TEXT];

    wr_ip_format(&ob->address, address);
    return wr_fail(&ob->failure, code, os_errno, "connect to %s", address);
}

static void on_timeout(struct wr_timer *timer, void *data)
{
    struct wr_outbound *ob = data;

    (void)timer;
    if (ob->handshake) {
        (void)wr_fail(&ob->failure, WR_E_DEADLINE_EXCEEDED, 0, "the proxy did not answer in time");
        give_up(ob);
        return;
    }
    (void)fail_attempt(ob, WR_E_DEADLINE_EXCEEDED, ETIMEDOUT);
    attempt_failed(ob);
}

/* Of one step; all of them together end at end_ms. */
static int start_timer(struct wr_outbound *ob, struct wr_error *err)
{
    uint64_t now_ms = wr_loop_now_ms(ob->loop);
    uint64_t left_ms = ob->end_ms > now_ms ? ob->end_ms - now_ms : 0;

    return wr_timer_start(ob->loop, &ob->timer, WR_MIN(left_ms, (uint64_t)WR_OUTBOUND_CONNECT_MS),
                          on_timeout, ob, err);
}

static void on_connected(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_outbound *ob = data;
    const struct wr_net_proxy *proxy = wr_net_policy_proxy(ob->policy);
    socklen_t len = sizeof(int);
    int failure = 0;

    (void)source;
    (void)events;
    if (getsockopt(ob->fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
        failure = errno;
    if (failure) {
        (void)fail_attempt(ob, WR_E_UNAVAILABLE, failure);
        attempt_failed(ob);
        return;
    }
    if (!proxy) {
        succeed(ob);
        return;
    }
    if (begin_handshake(ob, proxy, &ob->failure) < 0)
        give_up(ob);
}

/* Small messages must not wait for acknowledgements, and a server that is gone without a word is
 * noticed after four minutes also when nothing is said to it. Without that things are slower, not
 * wrong. */
static void set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 120}, {IPPROTO_TCP, TCP_KEEPINTVL, 30},
        {IPPROTO_TCP, TCP_KEEPCNT, 4},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

static int begin_connect(struct wr_outbound *ob, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t len = wr_ip_to_sockaddr(&ob->address, port, &address);

    ob->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ob->fd < 0) {
        bool missing = errno == EAFNOSUPPORT;
        return fail_attempt(ob, missing ? WR_E_UNAVAILABLE : WR_E_RESOURCE_EXHAUSTED, errno);
    }
    set_options(ob->fd);
    if (connect(ob->fd, (const struct sockaddr *)&address, len) < 0 && errno != EINPROGRESS)
        return fail_attempt(ob, WR_E_UNAVAILABLE, errno);
    int r = start_timer(ob, &ob->failure);
    return r < 0 ? r
                 : wr_source_add(ob->loop, &ob->source, ob->fd, EPOLLOUT, on_connected, ob,
                                 &ob->failure);
}

/* What a name leads to was not known when the policy was asked for the first time. */
static int check_address(struct wr_outbound *ob, uint16_t port)
{
    const char *blocked = wr_guard_check(ob->guard, &ob->address, port);
    struct wr_net_decision decision = {.verdict = WR_NET_ALLOW};

    if (blocked)
        return wr_fail(&ob->failure, WR_E_PERMISSION_DENIED, 0, "blocked: %s", blocked);
    if (ob->target.name && !wr_net_policy_proxy(ob->policy))
        wr_net_policy_connect(ob->policy, ob->guard, &ob->address, port, ob->target.name,
                              &decision);
    return decision.verdict == WR_NET_ALLOW
               ? 0
               : wr_fail(&ob->failure, WR_E_PERMISSION_DENIED, 0, "%s", decision.rule);
}

static void try_next(struct wr_outbound *ob)
{
    const struct wr_net_proxy *proxy = wr_net_policy_proxy(ob->policy);
    uint16_t port = proxy ? proxy->port : ob->target.port;

    while (ob->next < ob->resolve.count && wr_loop_now_ms(ob->loop) < ob->end_ms) {
        ob->address = ob->resolve.addresses[ob->next++];
        ob->has_address = true;
        if (check_address(ob, port) < 0)
            continue;
        if (begin_connect(ob, port) == 0)
            return;
        wr_source_remove(&ob->source);
        wr_timer_stop(&ob->timer);
        ob->fd = wr_close(ob->fd);
    }
    give_up(ob);
}

/* ---- names ---- */

static void on_resolved(struct wr_resolve *resolve)
{
    struct wr_outbound *ob = wr_container_of(resolve, struct wr_outbound, resolve);

    switch (resolve->outcome) {
    case WR_RESOLVE_OK:
        (void)wr_fail(&ob->failure, WR_E_UNAVAILABLE, 0, "no address");
        try_next(ob);
        return;
    case WR_RESOLVE_NO_NAME:
        (void)wr_fail(&ob->failure, WR_E_NOT_FOUND, 0, "the name does not exist");
        break;
    case WR_RESOLVE_NO_DATA:
        (void)wr_fail(&ob->failure, WR_E_NOT_FOUND, 0, "the name has no address");
        break;
    case WR_RESOLVE_BLOCKED:
        (void)wr_fail(&ob->failure, WR_E_PERMISSION_DENIED, 0, "blocked: %s", resolve->blocked);
        break;
    case WR_RESOLVE_FAILED:
        (void)wr_fail(&ob->failure, WR_E_UNAVAILABLE, 0, "the name could not be resolved");
        break;
    }
    give_up(ob);
}

/* ---- public ---- */

void wr_outbound_start(struct wr_outbound *ob, struct wr_loop *loop, struct wr_resolver *resolver,
                       const struct wr_net_guard *guard, struct wr_net_policy *policy,
                       const struct wr_outbound_target *target)
{
    const struct wr_net_proxy *proxy = wr_net_policy_proxy(policy);
    const char *blocked = NULL;
    struct wr_ip address = target->address;

    ob->loop = loop;
    ob->guard = guard;
    ob->policy = wr_net_policy_hold(policy);
    ob->end_ms = wr_loop_now_ms(loop) + WR_OUTBOUND_TOTAL_MS;
    ob->next = 0;
    ob->fd = -1;
    ob->has_address = false;
    ob->target = *target;
    if (target->name && !wr_strcopy(ob->name, sizeof ob->name, target->name)) {
        (void)wr_fail(&ob->failure, WR_E_INVALID_ARGUMENT, 0, "the name is too long");
        give_up(ob);
        return;
    }
    ob->target.name = target->name ? ob->name : NULL;
    /* Behind a proxy nobody checks it any more. */
    if (proxy && !target->name)
        blocked = wr_guard_check(guard, &target->address, target->port);
    if (blocked) {
        (void)wr_fail(&ob->failure, WR_E_PERMISSION_DENIED, 0, "blocked: %s", blocked);
        give_up(ob);
        return;
    }
    const char *hop = proxy ? proxy->host : ob->target.name;
    if (hop && !(proxy && wr_ip_parse(hop, &address))) {
        ob->resolve.fn = on_resolved;
        ob->resolve.asker = target->asker;
        wr_resolver_start(resolver, &ob->resolve, hop, WR_RESOLVE_BOTH);
        return;
    }
    ob->resolve.addresses[0] = address;
    ob->resolve.count = 1;
    try_next(ob);
}

void wr_outbound_cancel(struct wr_outbound *ob)
{
    if (ob->policy)
        release(ob);
}
