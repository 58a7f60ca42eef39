/*
 * One question to the host's resolvers, by c-ares: retries, the next server, TCP when an answer is
 * truncated. Each question has a channel of its own: it leaves from a random port with a random id,
 * which is what a forger would have to guess (RFC 5452), and can be given up alone.
 */
#pragma once

#include "loop/loop.h"
#include "server/egress/dns_message.h"
#include "server/egress/name_servers.h"

struct wr_dns_upstream;

struct wr_dns_upstream_opts {
    const struct wr_name_servers *servers; /* copied */
    const unsigned char *wire;             /* the name; copied */
    size_t wire_len;
    uint16_t type;
    uint32_t timeout_ms; /* of all attempts together */
    /* Called once, later, with the message as it came, or NULL; the question is over then. */
    void (*fn)(const unsigned char *answer, size_t len, void *data);
    void *data;
};

/* Once, before the first question. */
int wr_dns_upstream_init(struct wr_error *err) WR_MUST_CHECK;
/* NULL when the question could not even be sent. */
struct wr_dns_upstream *wr_dns_upstream_start(struct wr_loop *loop,
                                              const struct wr_dns_upstream_opts *opts)
    WR_MUST_CHECK;
/* Without a call of fn. Accepts NULL, returns NULL. */
struct wr_dns_upstream *wr_dns_upstream_cancel(struct wr_dns_upstream *upstream);
