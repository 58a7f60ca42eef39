/*
 * The DNS server of one sandbox: its two UDP sockets, and TCP connections to port 53. Questions of
 * names that the policy forbids are answered REFUSED, other record types than A and AAAA by policy;
 * what is malformed gets FORMERR or nothing. Answers are made here from what the resolver found,
 * never copied from the upstream, except for other record types.
 */
#pragma once

#include "server/egress/budget.h"
#include "server/egress/decision_log.h"
#include "server/egress/groups.h"
#include "server/egress/resolver.h"

#define WR_DNS_MAX_PENDING 64 /* questions of one sandbox under way */
#define WR_DNS_MAX_TCP     16 /* connections of one sandbox */
#define WR_DNS_TCP_IDLE_MS 10000

struct wr_dns;

struct wr_dns_opts {
    struct wr_loop *loop;
    struct wr_resolver *resolver;
    struct wr_net_budget *budget;  /* borrowed */
    struct wr_net_log *log;        /* borrowed */
    struct wr_net_policy **policy; /* where the sandbox's present policy is; borrowed */
    struct wr_net_groups *groups;  /* names of the sandbox's group; borrowed */
    const char *sandbox_id;        /* borrowed */
    int udp_fds[2];                /* IPv4, IPv6 (or -1); borrowed */
};

int wr_dns_new(const struct wr_dns_opts *opts, struct wr_dns **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The name for which the sandbox last got this address, for the log; NULL: none is known, or `dns`
 * is NULL. Borrowed until the next answer. */
const char *wr_dns_name_of(const struct wr_dns *dns, const struct wr_ip *address);
/* Accepts NULL, returns NULL. */
struct wr_dns *wr_dns_free(struct wr_dns *dns);
/* A connection that the sandbox has made to port 53; `fd` becomes owned. */
void wr_dns_serve(struct wr_dns *dns, int fd);
