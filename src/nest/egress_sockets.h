/*
 * The sockets that take what leaves a sandbox (docs/internals/network.md): made in its network
 * namespace, bound to addresses of their own, transparent, so that a connection that the redirect
 * hands them keeps its destination as its own address. The nest, whose redirect leads to them,
 * makes and gets none: whoever has a socket can change its flags for all others who have it.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "base/error.h"

/* The egress's side and the sandbox's side; 192.0.0.0/24 and fd00::/8 are nobody's in the net. */
#define WR_EGRESS_IP4  0xc0000001u /* 192.0.0.1, host byte order */
#define WR_SANDBOX_IP4 0xc0000002u
#define WR_EGRESS_IP6 \
    ((const struct in6_addr){{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}})
#define WR_SANDBOX_IP6 \
    ((const struct in6_addr){{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}}})
#define WR_EGRESS_TCP_PORT 1
#define WR_EGRESS_DNS_PORT 53

#define WR_EGRESS_SOCKETS 4

struct wr_egress_sockets {
    int fds[WR_EGRESS_SOCKETS]; /* TCP, UDP, TCP IPv6, UDP IPv6 */
    size_t count;               /* 0, 2 or 4 */
};
#define WR_EGRESS_SOCKETS_NONE ((struct wr_egress_sockets){.fds = {-1, -1, -1, -1}})

/* In the calling process's network namespace, over which it needs CAP_NET_ADMIN.
 * FAILED_PRECONDITION when somebody has one of the addresses already. */
int wr_egress_sockets_open(bool ipv6, struct wr_egress_sockets *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Closes what is open and marks it closed. */
void wr_egress_sockets_close(struct wr_egress_sockets *sockets);
