/*
 * Answers of the host's resolvers that are passed on to a sandbox: for record types other than A
 * and AAAA. They get a head of our own and lose their additional section.
 */
#pragma once

#include "server/egress/dns_message.h"
#include "server/egress/guard.h"

#define WR_DNS_FORWARD_MAX (8 * 1024) /* bytes of the longest answer */

enum wr_dns_forward_outcome {
    WR_DNS_FORWARDED = 0,
    WR_DNS_FORWARD_BLOCKED = 1, /* has an address that the guard closes */
    WR_DNS_FORWARD_BAD = 2,     /* no good answer: malformed, another rcode, too long */
};

struct wr_dns_forward {
    enum wr_dns_forward_outcome outcome;
    enum wr_dns_rcode rcode; /* FORWARDED: NOERROR or NXDOMAIN */
    unsigned records;        /* in the answer section */
    const char *blocked;     /* BLOCKED: why, static */
    size_t len;              /* FORWARDED: of what was written */
};

/* `message` was checked by wr_dns_valid() for this question. Writes at most `max` bytes (at least
 * WR_DNS_UDP_MIN) to `out`, which holds WR_DNS_FORWARD_MAX; what is longer becomes an empty answer
 * that says "truncated". */
struct wr_dns_forward wr_dns_forward(const struct wr_dns_question *question,
                                     const unsigned char *message, size_t len,
                                     const struct wr_net_guard *guard, size_t max,
                                     unsigned char *out);
