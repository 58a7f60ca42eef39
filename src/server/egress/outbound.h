/*
 * A TCP connection from the host to where a sandbox wants: to an address, or to a name that is
 * resolved here, directly or through the sandbox's SOCKS5 or HTTP proxy. Every address is checked
 * by the guard again right before connecting.
 */
#pragma once

#include "server/egress/policy.h"
#include "server/egress/resolver.h"

#define WR_OUTBOUND_CONNECT_MS 10000 /* of one address */
#define WR_OUTBOUND_TOTAL_MS   30000

struct wr_handshake;

struct wr_outbound_target {
    const char *name;     /* NULL: connect to `address`; copied */
    struct wr_ip address; /* without a name */
    uint16_t port;
    const void *asker; /* of struct wr_resolve */
};

/* Embedded in its user's struct, zeroed before the first use. */
struct wr_outbound {
    /* Called once, later. `fd` is connected, non-blocking and the caller's, or -1 with `error`:
     * PERMISSION_DENIED when the guard has closed every address, NOT_FOUND when the name does not
     * exist, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED for this server's own limits, else UNAVAILABLE.
     */
    void (*fn)(struct wr_outbound *outbound, int fd, const struct wr_error *error);
    struct wr_ip address; /* that was connected to, or tried last */
    bool has_address;
    /* private: */
    struct wr_loop *loop;
    const struct wr_net_guard *guard;
    struct wr_net_policy *policy; /* held; NULL: nothing is under way */
    struct wr_resolve resolve;
    struct wr_source source;
    struct wr_timer timer;
    struct wr_idle failing;
    struct wr_error failure; /* of the last attempt */
    uint64_t end_ms;
    size_t next;
    int fd;                         /* owned; -1: none */
    struct wr_handshake *handshake; /* owned; with a proxy, once it is connected */
    struct wr_outbound_target target;
    char name[WR_POLICY_MAX_DOMAIN + 1];
};

void wr_outbound_start(struct wr_outbound *outbound, struct wr_loop *loop,
                       struct wr_resolver *resolver, const struct wr_net_guard *guard,
                       struct wr_net_policy *policy, const struct wr_outbound_target *target);
/* Without a call of fn; idempotent. */
void wr_outbound_cancel(struct wr_outbound *outbound);
