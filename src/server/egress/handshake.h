/*
 * What is said to an upstream proxy before it passes bytes on. A protocol is a table of functions
 * that only see bytes; outbound.c does the I/O. Not a byte behind the proxy's last answer is taken:
 * it is the server's already.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "server/egress/policy.h"

#define WR_HANDSHAKE_MAX_ANSWER (8 * 1024) /* bytes of one answer of a proxy */
#define WR_HANDSHAKE_MAX_SENT   2048       /* bytes that wait to be sent to it */

struct wr_handshake {
    const struct wr_handshake_protocol *protocol;
    const struct wr_net_proxy *proxy; /* whose credentials are used; borrowed */
    const char *name;                 /* of the server, or NULL: `address`; borrowed */
    struct wr_ip address;
    uint16_t port;
    struct wr_buf out; /* to be sent; wiped by wr_handshake_done() */
    struct wr_buf in;  /* of an answer that is not complete yet */
    unsigned stage;    /* the protocol's */
};

struct wr_handshake_protocol {
    /* Puts the first message into `out`. */
    int (*begin)(struct wr_handshake *handshake, struct wr_error *err);
    /* Takes bytes of the proxy's answer, at most `len`, and may add to `out`. The count of bytes
     * taken, which is `len` unless `*ret_done`: the proxy passes bytes on from there. */
    ssize_t (*feed)(struct wr_handshake *handshake, const char *data, size_t len, bool *ret_done,
                    struct wr_error *err);
};

/* By the proxy's kind; begins. The strings of `proxy` and `name` stay the caller's. */
int wr_handshake_begin(struct wr_handshake *handshake, const struct wr_net_proxy *proxy,
                       const char *name, const struct wr_ip *address, uint16_t port,
                       struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed struct. */
void wr_handshake_done(struct wr_handshake *handshake);
