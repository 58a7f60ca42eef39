/*
 * A host's name to its addresses, by the resolver of the C library, which blocks: each lookup has a
 * thread of its own, so that its user can give it up at any time. The thread then ends by itself,
 * when the resolver does.
 */
#pragma once

#include <netinet/in.h>
#include <pthread.h>

#include "loop/loop.h"

#define WR_LOOKUP_ADDRESSES 16 /* kept of one name */
#define WR_LOOKUP_THREADS   32 /* of this process at once; further lookups wait */

struct wr_lookup_address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
    };
};

struct wr_lookup_shared;

/* Embedded in its user's struct, zeroed before the first use. */
struct wr_lookup {
    /* Called once, later. On success there is at least one address, in the order in which they
     * should be tried; else UNAVAILABLE says why. Borrowed during the call. */
    void (*fn)(struct wr_lookup *lookup, const struct wr_lookup_address *addresses, size_t count,
               const struct wr_error *error);
    /* private: */
    struct wr_loop *loop;
    struct wr_source source;
    struct wr_timer retry;
    struct wr_lookup_shared *shared; /* one of its two holders */
    pthread_t thread;
    bool has_thread;
};

/* True when `host` is an address itself: there is nothing to look up. */
bool wr_lookup_literal(const char *host, uint16_t port, struct wr_lookup_address *ret);
/* Ends by itself; whoever cannot wait for ever cancels it. */
int wr_lookup_start(struct wr_lookup *lookup, struct wr_loop *loop, const char *host, uint16_t port,
                    struct wr_error *err) WR_MUST_CHECK;
/* Without a call of fn. Idempotent; accepts a zeroed struct. */
void wr_lookup_cancel(struct wr_lookup *lookup);
