/* A TCP connection to a host: its name resolved, its addresses tried one after the other. */
#pragma once

#include "client/lookup.h"
#include "client/url.h"

/* Embedded in its user's struct, zeroed before the first use. */
struct wr_tcp {
    /* Called once, later. `fd` is connected, non-blocking and the caller's; -1 with `error`, whose
     * text says why, not where to: UNAVAILABLE, RESOURCE_EXHAUSTED. */
    void (*fn)(struct wr_tcp *tcp, int fd, const struct wr_error *error);
    /* private: */
    struct wr_loop *loop;
    struct wr_lookup lookup;
    struct wr_source source;
    struct wr_timer timer; /* of the start, the lookup, an address */
    uint64_t timeout_ms, end_ms;
    char host[WR_URL_HOST_MAX];
    uint16_t port;
    struct wr_lookup_address addresses[WR_LOOKUP_ADDRESSES];
    size_t count, next;
    int fd; /* owned, while it connects; else -1 */
    bool active;
    struct wr_error failure; /* of the last attempt */
};

/* At most `timeout_ms` for everything; each address has an equal share of what is left. */
int wr_tcp_start(struct wr_tcp *tcp, struct wr_loop *loop, const char *host, uint16_t port,
                 uint64_t timeout_ms, struct wr_error *err) WR_MUST_CHECK;
/* Without a call of fn. Idempotent; accepts a zeroed struct. */
void wr_tcp_cancel(struct wr_tcp *tcp);
