/* What dns.c, dns_ask.c and dns_tcp.c share. */
#pragma once

#include "server/egress/answered_names.h"
#include "server/egress/dns.h"

/* Events of names in one second; the log's ring has room for connections too. */
#define WR_DNS_EVENTS_PER_S 40

struct wr_dns {
    struct wr_dns_opts opts;
    struct wr_source udp[2];
    bool credit;            /* a question was paid for and has not come yet */
    struct wr_timer refill; /* armed: the budget is used up, nothing is read until then */
    struct wr_list asks;    /* under way */
    size_t ask_count;
    struct wr_list connections; /* TCP */
    size_t connection_count;
    struct wr_answered_names answered;
    /* bound of the log */
    uint64_t window_ms; /* when the present second began */
    uint32_t in_window, unlisted;
};

/* One question may be read: false when the budget is used up; the refill timer then goes on with
 * it. */
bool wr_dns_pay(struct wr_dns *dns);
void wr_dns_log(struct wr_dns *dns, const struct wr_net_event *event);
/* Goes on with the connections that wait for the budget. */
void wr_dns_tcp_resume(struct wr_dns *dns);
void wr_dns_tcp_close_all(struct wr_dns *dns);
