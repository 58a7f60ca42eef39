#include "server/egress/dns.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/egress/dns_ask.h"
#include "server/egress/dns_internal.h"

#define TURN_QUESTIONS 32 /* of one socket, before others get their turn */
#define REFILL_MS      20

/* Room for the one control message that each kind of socket has. */
union control {
    struct cmsghdr header;
    char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* ---- the log ---- */

void wr_dns_log(struct wr_dns *dns, const struct wr_net_event *event)
{
    uint64_t now_ms = wr_loop_now_ms(dns->opts.loop);

    if (now_ms - dns->window_ms >= 1000) {
        uint32_t unlisted = dns->unlisted;
        dns->window_ms = now_ms;
        dns->in_window = dns->unlisted = 0;
        if (unlisted > 0) {
            struct wr_net_event summary = {.kind = WR_NET_EVENT_DNS, .verdict = WR_NET_DENY};
            (void)snprintf(summary.rule, sizeof summary.rule, "too many events");
            (void)snprintf(summary.detail, sizeof summary.detail,
                           "%u decisions about names are not listed", unlisted);
            wr_net_log_add(dns->opts.log, &summary);
        }
    }
    if (dns->in_window < WR_DNS_EVENTS_PER_S) {
        dns->in_window++;
        wr_net_log_add(dns->opts.log, event);
    } else {
        dns->unlisted++;
        wr_net_log_count(dns->opts.log, event);
    }
}

/* ---- the budget ---- */

static void on_refill(struct wr_timer *timer, void *data);

bool wr_dns_pay(struct wr_dns *dns)
{
    struct wr_error error = {0};

    if (!dns->credit)
        dns->credit = wr_net_budget_question(dns->opts.budget, wr_mono_us());
    if (dns->credit || dns->refill.loop)
        return dns->credit && !dns->refill.loop;
    /* Further questions wait in the sockets, which is the cheapest place, and are lost there when
     * there are too many. Without a timer there is no end of waiting: then nothing waits. */
    if (wr_timer_start(dns->opts.loop, &dns->refill, REFILL_MS, on_refill, dns, &error) < 0)
        return false;
    for (size_t i = 0; i < 2; i++)
        wr_source_set_events(&dns->udp[i], 0);
    struct wr_net_event event = {.kind = WR_NET_EVENT_DNS, .verdict = WR_NET_DENY};
    (void)snprintf(event.rule, sizeof event.rule, "question rate");
    (void)snprintf(event.detail, sizeof event.detail,
                   "more than %u per second: they wait or are lost",
                   dns->opts.budget->limits.dns_per_s);
    wr_dns_log(dns, &event);
    return false;
}

static void on_refill(struct wr_timer *timer WR_UNUSED, void *data)
{
    struct wr_dns *dns = data;

    for (size_t i = 0; i < 2; i++)
        if (dns->udp[i].loop)
            wr_source_set_events(&dns->udp[i], EPOLLIN);
    wr_dns_tcp_resume(dns);
}

/* ---- UDP ---- */

/* From the address that was asked to the one that has asked. */
static void answer_udp(struct wr_dns_ask *ask, const unsigned char *message, size_t len)
{
    union control control;
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)message, .iov_len = len};
    struct msghdr header = {
        .msg_name = &ask->udp.from,
        .msg_namelen = ask->udp.from_len,
        .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = &control,
    };

    if (!message)
        return;
    memset(&control, 0, sizeof control);
    if (ask->udp.to.ss_family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        info.ipi_spec_dst = ((const struct sockaddr_in *)&ask->udp.to)->sin_addr;
        header.msg_controllen = sizeof control.v4;
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
        memcpy(CMSG_DATA(&control.header), &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = 0};
        info.ipi6_addr = ((const struct sockaddr_in6 *)&ask->udp.to)->sin6_addr;
        header.msg_controllen = sizeof control.v6;
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof info),
                                          .cmsg_level = IPPROTO_IPV6,
                                          .cmsg_type = IPV6_PKTINFO};
        memcpy(CMSG_DATA(&control.header), &info, sizeof info);
    }
    /* An answer that does not fit into the socket is lost, as on any network. */
    (void)sendmsg(ask->udp.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The address that was asked. False when the kernel did not say it. */
static bool asked_address(struct msghdr *header, struct sockaddr_storage *ret)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            ((struct sockaddr_in *)ret)->sin_addr = info.ipi_addr;
            ret->ss_family = AF_INET;
            return true;
        }
        if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            ((struct sockaddr_in6 *)ret)->sin6_addr = info.ipi6_addr;
            ret->ss_family = AF_INET6;
            return true;
        }
    }
    return false;
}

/* Takes one question from the socket. False when there is none. */
static bool take_question(struct wr_dns *dns, int fd)
{
    unsigned char message[WR_DNS_MAX_QUESTION + 1]; /* one more tells that it is too long */
    struct sockaddr_storage from, to;
    union control control;
    struct iovec bytes = {.iov_base = message, .iov_len = sizeof message};
    struct msghdr header = {
        .msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };

    memset(&to, 0, sizeof to);
    ssize_t len = recvmsg(fd, &header, MSG_DONTWAIT);
    if (len < 0)
        return errno != EAGAIN; /* an error of an earlier answer */
    dns->credit = false;
    struct wr_dns_ask *ask = asked_address(&header, &to) ? wr_dns_ask_new(dns, false) : NULL;
    if (!ask)
        return true;
    ask->answer = answer_udp;
    ask->udp.fd = fd;
    ask->udp.from = from;
    ask->udp.from_len = header.msg_namelen;
    ask->udp.to = to;
    wr_dns_ask_begin(ask, message, (size_t)len);
    return true;
}

static void on_udp(struct wr_source *source, uint32_t events WR_UNUSED, void *data)
{
    struct wr_dns *dns = data;

    for (unsigned i = 0; i < TURN_QUESTIONS; i++)
        if (!wr_dns_pay(dns) || !take_question(dns, source->fd))
            return;
}

/* ---- lifetime ---- */

int wr_dns_new(const struct wr_dns_opts *opts, struct wr_dns **ret, struct wr_error *err)
{
    struct wr_dns *dns = wr_calloc(1, sizeof *dns);

    if (!dns)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "DNS server of a sandbox");
    dns->opts = *opts;
    wr_list_init(&dns->asks);
    wr_list_init(&dns->connections);
    for (size_t i = 0; i < 2; i++) {
        if (opts->udp_fds[i] < 0)
            continue;
        int r =
            wr_source_add(opts->loop, &dns->udp[i], opts->udp_fds[i], EPOLLIN, on_udp, dns, err);
        if (r < 0) {
            (void)wr_dns_free(dns);
            return r;
        }
    }
    *ret = dns;
    return 0;
}

struct wr_dns *wr_dns_free(struct wr_dns *dns)
{
    if (!dns)
        return NULL;
    wr_timer_stop(&dns->refill);
    for (size_t i = 0; i < 2; i++)
        wr_source_remove(&dns->udp[i]);
    wr_dns_tcp_close_all(dns);
    while (!wr_list_empty(&dns->asks))
        wr_dns_ask_cancel(wr_list_entry(dns->asks.next, struct wr_dns_ask, link));
    wr_answered_names_done(&dns->answered);
    free(dns);
    return NULL;
}

const char *wr_dns_name_of(const struct wr_dns *dns, const struct wr_ip *address)
{
    return dns ? wr_answered_names_find(&dns->answered, address) : NULL;
}
