/*
 * What a sandbox may use of the network at a time: connections, new connections per second, and
 * bytes per second of both directions together. Token buckets; time is given by the caller, so that
 * tests need no clock.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

struct wr_bucket_rate {
    uint64_t per_s; /* 0: no limit */
    uint64_t burst;
};

/* TLS sessions that the egress ends itself: each costs the loop about a millisecond. */
#define WR_HANDSHAKES_PER_S 200
#define WR_HANDSHAKES_BURST 400

struct wr_net_limits {
    uint32_t max_connections; /* open at a time */
    uint32_t new_per_s;       /* with a burst of max_connections */
    uint64_t bytes_per_s;     /* 0: no limit; burst: a quarter of a second, at least 64 KiB */
    uint32_t dns_per_s;       /* questions; burst: twice that */
};

struct wr_net_budget {
    struct wr_net_limits limits;
    uint32_t connections;
    /* private: tokens in millionths, and when they were counted last */
    uint64_t new_tokens, byte_tokens, dns_tokens, counted_us;
    uint64_t handshake_us; /* when the next one has its turn */
};

void wr_net_budget_init(struct wr_net_budget *budget, const struct wr_net_limits *limits,
                        uint64_t now_us);
/* A place for one more connection; NULL, or why there is none ("connection limit", "connection
 * rate"). */
const char *wr_net_budget_connect(struct wr_net_budget *budget, uint64_t now_us);
void wr_net_budget_disconnect(struct wr_net_budget *budget);
/* Gives the next TLS session its turn: how many milliseconds it has to wait for that, 0 for none.
 */
uint64_t wr_net_budget_handshake(struct wr_net_budget *budget, uint64_t now_us);
bool wr_net_budget_question(struct wr_net_budget *budget, uint64_t now_us);
/* How many bytes may be moved now, at most `want`; 0: none, `*ret_wait_ms` says when to ask again.
 * What was granted and not used is given back. */
size_t wr_net_budget_bytes(struct wr_net_budget *budget, size_t want, uint64_t now_us,
                           uint64_t *ret_wait_ms);
void wr_net_budget_return(struct wr_net_budget *budget, size_t unused);
