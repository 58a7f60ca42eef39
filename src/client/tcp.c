#include "client/tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

/* A peer that has gone without a word is noticed although nothing is to be sent to it. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_COUNT      4

static void try_next(struct wr_tcp *tcp);

void wr_tcp_cancel(struct wr_tcp *tcp)
{
    if (!tcp->active)
        return;
    wr_lookup_cancel(&tcp->lookup);
    wr_source_remove(&tcp->source);
    wr_timer_stop(&tcp->timer);
    tcp->fd = wr_close(tcp->fd);
    tcp->active = false;
}

static void fail(struct wr_tcp *tcp)
{
    wr_tcp_cancel(tcp);
    tcp->fn(tcp, -1, &tcp->failure);
}

static void out_of_time(struct wr_tcp *tcp, const char *what)
{
    (void)wr_fail(&tcp->failure, WR_E_UNAVAILABLE, 0,
                  "%s took longer than %llu ms; check the network, and what filters it", what,
                  (unsigned long long)tcp->timeout_ms);
}

static void on_lookup_late(struct wr_timer *timer, void *data)
{
    (void)timer;
    out_of_time(data, "resolving the name");
    fail(data);
}

static void on_address_late(struct wr_timer *timer, void *data)
{
    struct wr_tcp *tcp = data;

    (void)timer;
    wr_source_remove(&tcp->source);
    tcp->fd = wr_close(tcp->fd);
    out_of_time(tcp, "the connection");
    try_next(tcp);
}

static void on_writable(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_tcp *tcp = data;
    int e = 0;
    socklen_t len = sizeof e;

    (void)events;
    wr_source_remove(source);
    wr_timer_stop(&tcp->timer);
    if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
        e = errno;
    if (e == 0) {
        int fd = wr_steal_fd(&tcp->fd);
        tcp->active = false;
        tcp->fn(tcp, fd, NULL);
        return;
    }
    tcp->fd = wr_close(tcp->fd);
    (void)wr_fail(&tcp->failure, WR_E_UNAVAILABLE, e, "nothing answers there");
    try_next(tcp);
}

static void set_options(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

/* 0: it is under way. */
static int start_address(struct wr_tcp *tcp, const struct wr_lookup_address *address,
                         uint64_t share_ms)
{
    tcp->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (tcp->fd < 0)
        return wr_fail_errno(&tcp->failure,
                             errno == EAFNOSUPPORT ? WR_E_UNAVAILABLE : WR_E_RESOURCE_EXHAUSTED,
                             "socket");
    set_options(tcp->fd);
    if (connect(tcp->fd, &address->any, address->len) < 0 && errno != EINPROGRESS)
        return wr_fail_errno(&tcp->failure, WR_E_UNAVAILABLE, "nothing answers there");
    int r =
        wr_source_add(tcp->loop, &tcp->source, tcp->fd, EPOLLOUT, on_writable, tcp, &tcp->failure);
    if (r == 0)
        r = wr_timer_start(tcp->loop, &tcp->timer, share_ms, on_address_late, tcp, &tcp->failure);
    return r;
}

static void try_next(struct wr_tcp *tcp)
{
    while (tcp->next < tcp->count) {
        uint64_t now = wr_mono_ms(), left = tcp->end_ms > now ? tcp->end_ms - now : 0;
        const struct wr_lookup_address *address = &tcp->addresses[tcp->next];
        uint64_t share = left / (tcp->count - tcp->next);

        tcp->next++;
        if (start_address(tcp, address, share) == 0)
            return;
        wr_source_remove(&tcp->source);
        tcp->fd = wr_close(tcp->fd);
    }
    fail(tcp);
}

static void on_addresses(struct wr_lookup *lookup, const struct wr_lookup_address *addresses,
                         size_t count, const struct wr_error *error)
{
    struct wr_tcp *tcp = wr_container_of(lookup, struct wr_tcp, lookup);

    wr_timer_stop(&tcp->timer);
    if (error) {
        tcp->failure = *error;
        fail(tcp);
        return;
    }
    memcpy(tcp->addresses, addresses, count * sizeof *addresses);
    tcp->count = count;
    try_next(tcp);
}

static void on_start(struct wr_timer *timer, void *data)
{
    struct wr_tcp *tcp = data;

    (void)timer;
    if (wr_lookup_literal(tcp->host, tcp->port, &tcp->addresses[0])) {
        tcp->count = 1;
        try_next(tcp);
        return;
    }
    int r = wr_lookup_start(&tcp->lookup, tcp->loop, tcp->host, tcp->port, &tcp->failure);
    if (r == 0)
        r = wr_timer_start(tcp->loop, &tcp->timer, tcp->timeout_ms, on_lookup_late, tcp,
                           &tcp->failure);
    if (r < 0)
        fail(tcp);
}

int wr_tcp_start(struct wr_tcp *tcp, struct wr_loop *loop, const char *host, uint16_t port,
                 uint64_t timeout_ms, struct wr_error *err)
{
    if (!wr_strcopy(tcp->host, sizeof tcp->host, host))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "host %.60s...: too long", host);
    tcp->loop = loop;
    tcp->port = port;
    tcp->timeout_ms = timeout_ms;
    tcp->end_ms = wr_mono_ms() + timeout_ms;
    tcp->fd = -1;
    tcp->next = tcp->count = 0;
    tcp->lookup = (struct wr_lookup){.fn = on_addresses};
    int r = wr_timer_start(loop, &tcp->timer, 0, on_start, tcp, err);
    tcp->active = r == 0;
    return r;
}
