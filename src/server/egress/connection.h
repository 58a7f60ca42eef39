/*
 * One connection that a process in a sandbox makes: from accept to a decision, to a connection of
 * the host, to its end. This also holds what egress.c (sandboxes and their listening sockets) and
 * connection.c share.
 */
#pragma once

#include "server/egress/budget.h"
#include "server/egress/dns.h"
#include "server/egress/egress.h"
#include "server/egress/intercept.h"

#define WR_SNIFF_WAIT_MS 3000 /* for the name; then the address alone decides */

struct wr_egress {
    struct wr_server *server;
    struct wr_net_guard *guard;
    struct wr_resolver *resolver;
    struct wr_intercept *intercept;
    struct wr_net_groups *groups;
    struct wr_net_counters counters;
    struct wr_net_limits limits; /* of each sandbox */
    /* Connections that the process has descriptors for, and that there are, of all sandboxes. A
     * sandbox may have as many as are left, so that one alone gets half of them at most. */
    size_t places, used;
    uint64_t guard_read_ms; /* monotonic: when the host's addresses were read last */
    bool missing_logged;    /* that this host has no redirect: once, not for each sandbox */
};

struct wr_egress_sandbox {
    struct wr_egress *egress;
    struct wr_sandbox *sandbox;
    struct wr_net_policy *policy; /* held; the present one */
    struct wr_net_budget budget;
    struct wr_net_log *log;
    struct wr_dns *dns;                /* NULL before the sockets are there */
    int fds[WR_ACTION_EGRESS_SOCKETS]; /* owned; in the order of WR_ACTION_EGRESS; -1: none */
    struct wr_source listeners[2];     /* TCP: IPv4, IPv6 */
    struct wr_timer pause;             /* until they accept again */
    struct wr_timer retry;             /* until the engine is asked again for the sockets */
    unsigned attempts;                 /* so far */
    struct wr_list connections;        /* oldest first */
    uint64_t last_number;              /* of a connection */
    uint64_t refusal_ms;               /* monotonic: the last one that was logged; 0: none */
    uint64_t refusals;                 /* since then, of limits */
};

struct wr_net_connection;

/* `fd` was accepted from the sandbox and becomes owned. False when a limit refused it. */
bool wr_net_connection_new(struct wr_egress_sandbox *owner, int fd);
/* Judges it by owner->policy, which has changed; it may be gone afterwards. */
void wr_net_connection_judge(struct wr_list *link);
/* Resets it, and logs why. */
void wr_net_connection_cut(struct wr_list *link, const char *reason);
/* Strings are borrowed as long as the connection exists. */
void wr_net_connection_describe(const struct wr_list *link, struct wr_net_flow *ret);
