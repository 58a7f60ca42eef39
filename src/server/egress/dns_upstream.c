#include "server/egress/dns_upstream.h"

#define CARES_NO_DEPRECATED /* newer ones prefer other calls, and keep these */
#include <ares.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "base/alloc.h"
#include "base/rand.h"

#define TRIES          2
#define MIN_ATTEMPT_MS 250
#define MAX_SOCKETS    (2 * WR_NAME_SERVERS) /* UDP and TCP of each server */

struct wr_dns_upstream {
    struct wr_loop *loop;
    ares_channel channel;
    struct wr_source sources[MAX_SOCKETS];
    struct wr_timer timer;
    uint64_t end_ms;
    bool over;             /* c-ares has called back, or never will */
    unsigned char *answer; /* owned */
    size_t len;
    void (*fn)(const unsigned char *answer, size_t len, void *data);
    void *data;
};

int wr_dns_upstream_init(struct wr_error *err)
{
    int r = ares_library_init(ARES_LIB_INIT_ALL);

    return r == ARES_SUCCESS
               ? 0
               : wr_fail(err, WR_E_INTERNAL, 0, "c-ares cannot be set up: %s", ares_strerror(r));
}

static void drive(struct wr_dns_upstream *upstream, int readable, int writable);

static void on_socket(struct wr_source *source, uint32_t events, void *data)
{
    /* Errors are found by reading. */
    int readable = events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? source->fd : ARES_SOCKET_BAD;

    drive(data, readable, events & EPOLLOUT ? source->fd : ARES_SOCKET_BAD);
}

/* c-ares opens a socket, waits for something else, or is about to close it. */
static void on_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct wr_dns_upstream *upstream = data;
    struct wr_source *known = NULL, *unused = NULL;
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);
    struct wr_error error = {0};

    for (size_t i = 0; i < MAX_SOCKETS; i++) {
        if (upstream->sources[i].loop && upstream->sources[i].fd == fd)
            known = &upstream->sources[i];
        else if (!upstream->sources[i].loop)
            unused = &upstream->sources[i];
    }
    if (known && events)
        wr_source_set_events(known, events);
    else if (known)
        wr_source_remove(known);
    /* A socket that cannot be watched would never answer. */
    else if (events && (!unused || wr_source_add(upstream->loop, unused, fd, events, on_socket,
                                                 upstream, &error) < 0))
        upstream->over = true;
}

/* May run inside any call of c-ares, which must not be torn down here. */
static void on_answer(void *data, int status, int timeouts WR_UNUSED, unsigned char *answer,
                      int len)
{
    struct wr_dns_upstream *upstream = data;

    if (upstream->over)
        return;
    upstream->over = true;
    if (status == ARES_SUCCESS && len > 0) {
        upstream->answer = wr_calloc(1, (size_t)len);
        if (upstream->answer) {
            memcpy(upstream->answer, answer, (size_t)len);
            upstream->len = (size_t)len;
        }
    }
}

static void on_timer(struct wr_timer *timer WR_UNUSED, void *data)
{
    struct wr_dns_upstream *upstream = data;

    if (wr_loop_now_ms(upstream->loop) >= upstream->end_ms)
        upstream->over = true;
    drive(upstream, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* Until c-ares or the end of all attempts wants to be called. False when there is no timer to be
 * had. */
static bool arm(struct wr_dns_upstream *upstream)
{
    uint64_t now = wr_loop_now_ms(upstream->loop);
    uint64_t left = upstream->end_ms > now ? upstream->end_ms - now : 0;
    struct timeval at_most = {.tv_sec = (time_t)(left / 1000),
                              .tv_usec = (suseconds_t)(left % 1000 * 1000)};
    struct timeval next;
    struct wr_error error = {0};

    const struct timeval *wait = ares_timeout(upstream->channel, &at_most, &next);
    uint64_t delay_ms = (uint64_t)wait->tv_sec * 1000 + ((uint64_t)wait->tv_usec + 999) / 1000;
    return wr_timer_start(upstream->loop, &upstream->timer, delay_ms, on_timer, upstream, &error) ==
           0;
}

struct wr_dns_upstream *wr_dns_upstream_cancel(struct wr_dns_upstream *upstream)
{
    if (!upstream)
        return NULL;
    upstream->over = true;
    wr_timer_stop(&upstream->timer);
    if (upstream->channel)
        ares_destroy(upstream->channel); /* takes the sources off by on_state() */
    for (size_t i = 0; i < MAX_SOCKETS; i++)
        wr_source_remove(&upstream->sources[i]);
    free(upstream->answer);
    free(upstream);
    return NULL;
}

/* Gives c-ares its turn and ends the question when it is over. */
static void drive(struct wr_dns_upstream *upstream, int readable, int writable)
{
    if (!upstream->over)
        ares_process_fd(upstream->channel, readable, writable);
    if (!upstream->over && arm(upstream))
        return;
    unsigned char *answer = wr_steal_ptr(&upstream->answer);
    size_t len = upstream->len;
    void (*fn)(const unsigned char *, size_t, void *) = upstream->fn;
    void *data = upstream->data;
    (void)wr_dns_upstream_cancel(upstream);
    fn(answer, len, data);
    free(answer);
}

static int set_servers(ares_channel channel, const struct wr_name_servers *servers)
{
    struct ares_addr_port_node nodes[WR_NAME_SERVERS];

    memset(nodes, 0, sizeof nodes);
    for (size_t i = 0; i < servers->count; i++) {
        const struct wr_name_server *server = &servers->list[i];
        struct ares_addr_port_node *node = &nodes[i];
        bool v4 = wr_ip_is_v4(&server->address);
        node->next = i + 1 < servers->count ? node + 1 : NULL;
        node->family = v4 ? AF_INET : AF_INET6;
        if (v4)
            memcpy(&node->addr.addr4, server->address.bytes + 12, sizeof node->addr.addr4);
        else
            memcpy(&node->addr.addr6, server->address.bytes, sizeof node->addr.addr6);
        node->udp_port = node->tcp_port = server->port;
    }
    return ares_set_servers_ports(channel, nodes);
}

static bool open_channel(struct wr_dns_upstream *upstream, const struct wr_dns_upstream_opts *opts)
{
    /* c-ares doubles the time with each round over the servers. */
    const uint32_t parts = (uint32_t)opts->servers->count * ((1U << TRIES) - 1);
    char lookups[] = "b", nothing[] = "/dev/null";
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = (int)WR_MAX(opts->timeout_ms / parts, MIN_ATTEMPT_MS),
        .tries = TRIES,
        .lookups = lookups,
        .sock_state_cb = on_state,
        .sock_state_cb_data = upstream,
        .ednspsz = WR_DNS_UDP_MAX,
        .resolvconf_path = nothing, /* the servers are chosen here */
    };
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                     ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ |
                     ARES_OPT_RESOLVCONF | ARES_OPT_NOROTATE;

    if (ares_init_options(&upstream->channel, &options, mask) != ARES_SUCCESS) {
        upstream->channel = NULL;
        return false;
    }
    return set_servers(upstream->channel, opts->servers) == ARES_SUCCESS;
}

struct wr_dns_upstream *wr_dns_upstream_start(struct wr_loop *loop,
                                              const struct wr_dns_upstream_opts *opts)
{
    struct wr_dns_upstream *upstream = wr_calloc(1, sizeof *upstream);
    unsigned char query[WR_DNS_QUERY_MAX];
    uint16_t id;

    if (!upstream)
        return NULL;
    upstream->loop = loop;
    upstream->end_ms = wr_loop_now_ms(loop) + opts->timeout_ms;
    upstream->fn = opts->fn;
    upstream->data = opts->data;
    if (opts->servers->count == 0 || !open_channel(upstream, opts))
        return wr_dns_upstream_cancel(upstream);
    wr_random_bytes(&id, sizeof id);
    size_t len = wr_dns_build_query(id, opts->wire, opts->wire_len, opts->type, query);
    ares_send(upstream->channel, query, (int)len, on_answer, upstream);
    if (upstream->over || !arm(upstream))
        return wr_dns_upstream_cancel(upstream);
    return upstream;
}
