/* Questions over TCP (RFC 7766): each with its length in front, one at a time per connection. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "server/egress/dns_ask.h"
#include "server/egress/dns_forward.h"
#include "server/egress/dns_internal.h"

#define LENGTH_BYTES 2

struct connection {
    struct wr_list link;
    struct wr_dns *dns;
    int fd;
    struct wr_source source;
    struct wr_timer idle;
    struct wr_buf in, out;
    struct wr_dns_ask *ask; /* under way */
    bool waits;             /* for the budget */
    bool busy;              /* in step(): it must stay */
    bool over;
};

static void close_connection(struct connection *c)
{
    if (c->ask)
        wr_dns_ask_cancel(c->ask);
    wr_timer_stop(&c->idle);
    wr_source_remove(&c->source);
    c->fd = wr_close(c->fd);
    wr_buf_done(&c->in);
    wr_buf_done(&c->out);
    wr_list_remove(&c->link);
    c->dns->connection_count--;
    free(c);
}

static void on_idle(struct wr_timer *timer WR_UNUSED, void *data)
{
    close_connection(data);
}

/* A message came or went: the peer has that time for the next one. */
static void touch(struct connection *c)
{
    struct wr_error error = {0};

    if (wr_timer_start(c->dns->opts.loop, &c->idle, WR_DNS_TCP_IDLE_MS, on_idle, c, &error) < 0)
        c->over = true;
}

static void step(struct connection *c);

static void answer_tcp(struct wr_dns_ask *ask, const unsigned char *message, size_t len)
{
    struct connection *c = ask->connection;
    const unsigned char length[LENGTH_BYTES] = {(unsigned char)(len >> 8), (unsigned char)len};

    c->ask = NULL;
    if (!message || wr_buf_append(&c->out, length, sizeof length) < 0 ||
        wr_buf_append(&c->out, message, len) < 0)
        c->over = true;
    touch(c);
    if (!c->busy)
        step(c);
}

/* Begins with the question in front of `in`, if it is there as a whole. */
static bool begin_question(struct connection *c)
{
    const unsigned char *data = (const unsigned char *)wr_buf_ptr(&c->in);

    if (c->in.len < LENGTH_BYTES)
        return false;
    size_t len = wr_dns_get16(data);
    if (len == 0 || len > WR_DNS_MAX_QUESTION) {
        struct wr_net_event event = {.kind = WR_NET_EVENT_DNS, .verdict = WR_NET_DENY};
        (void)snprintf(event.rule, sizeof event.rule, "malformed question");
        (void)snprintf(event.detail, sizeof event.detail, "%zu bytes by TCP -> closed", len);
        wr_dns_log(c->dns, &event);
        c->over = true;
        return false;
    }
    if (c->in.len < LENGTH_BYTES + len)
        return false;
    c->waits = !wr_dns_pay(c->dns);
    if (c->waits)
        return false;
    c->dns->credit = false;
    struct wr_dns_ask *ask = wr_dns_ask_new(c->dns, true);
    if (!ask) {
        c->over = true;
        return false;
    }
    ask->answer = answer_tcp;
    ask->connection = c;
    c->ask = ask;
    wr_dns_ask_begin(ask, data + LENGTH_BYTES, len);
    wr_buf_consume(&c->in, LENGTH_BYTES + len);
    return true;
}

static void flush(struct connection *c)
{
    ssize_t n = send(c->fd, wr_buf_ptr(&c->out), c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0)
        wr_buf_consume(&c->out, (size_t)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        c->over = true;
}

static void receive(struct connection *c)
{
    size_t room = wr_buf_room(&c->in);
    char *into = wr_buf_reserve(&c->in, room);
    ssize_t n = into ? recv(c->fd, into, room, MSG_DONTWAIT) : -1;

    if (n > 0)
        wr_buf_commit(&c->in, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        c->over = true;
}

/* As far as it goes now. What was answered goes out before the next question is begun, so that one
 * that asks and does not read holds one answer. */
static void step(struct connection *c)
{
    c->busy = true;
    do {
        if (c->out.len > 0)
            flush(c);
    } while (!c->over && c->out.len == 0 && !c->ask && begin_question(c));
    c->busy = false;
    if (c->over) {
        close_connection(c);
        return;
    }
    wr_buf_trim(&c->out, 0);
    bool reads = !c->ask && !c->waits && c->out.len == 0;
    wr_source_set_events(&c->source, (reads ? (uint32_t)EPOLLIN : 0) |
                                         (c->out.len > 0 ? (uint32_t)EPOLLOUT : 0));
}

static void on_event(struct wr_source *source WR_UNUSED, uint32_t events, void *data)
{
    struct connection *c = data;

    /* Also when it is not being read: nobody is there to take an answer. */
    if (events & (EPOLLERR | EPOLLHUP))
        c->over = true;
    else if (events & EPOLLIN)
        receive(c);
    step(c);
}

void wr_dns_serve(struct wr_dns *dns, int fd)
{
    struct connection *c = dns->connection_count < WR_DNS_MAX_TCP ? wr_calloc(1, sizeof *c) : NULL;
    struct wr_error error = {0};

    if (!c) {
        struct wr_net_event event = {.kind = WR_NET_EVENT_DNS, .verdict = WR_NET_DENY};
        (void)snprintf(event.rule, sizeof event.rule, "connections to port 53");
        (void)snprintf(event.detail, sizeof event.detail, "at most %d at a time", WR_DNS_MAX_TCP);
        wr_dns_log(dns, &event);
        (void)wr_close(fd);
        return;
    }
    c->dns = dns;
    c->fd = fd;
    wr_buf_init(&c->in, LENGTH_BYTES + WR_DNS_MAX_QUESTION);
    wr_buf_init(&c->out, LENGTH_BYTES + WR_DNS_FORWARD_MAX);
    wr_list_append(&dns->connections, &c->link);
    dns->connection_count++;
    touch(c);
    if (c->over || wr_fd_set_nonblock(fd, true) < 0 ||
        wr_source_add(dns->opts.loop, &c->source, fd, EPOLLIN, on_event, c, &error) < 0)
        close_connection(c);
}

void wr_dns_tcp_resume(struct wr_dns *dns)
{
    wr_list_foreach(node, &dns->connections) {
        struct connection *c = wr_list_entry(node, struct connection, link);
        if (c->waits) {
            c->waits = false;
            step(c);
        }
    }
}

void wr_dns_tcp_close_all(struct wr_dns *dns)
{
    while (!wr_list_empty(&dns->connections))
        close_connection(wr_list_entry(dns->connections.next, struct connection, link));
}
