/*
 * Names to addresses through the host's resolvers (c-ares), with a cache that all sandboxes share.
 * Answers are bounded in number; addresses that the guard closes are left out, which is what stops
 * DNS rebinding.
 */
#pragma once

#include "base/list.h"
#include "loop/loop.h"
#include "server/egress/guard.h"

#define WR_RESOLVE_MAX_ADDRESSES 16
#define WR_RESOLVE_MAX_TTL_S     300
#define WR_RESOLVE_MIN_TTL_S     1
#define WR_RESOLVE_TIMEOUT_MS    5000 /* of one question, all attempts together */
#define WR_RESOLVE_MAX_PENDING   512  /* questions under way, of all sandboxes */
#define WR_RESOLVE_MAX_OF_ONE    64   /* of these, that connections of one sandbox have begun */
#define WR_RESOLVE_CACHE         8192 /* entries */

struct wr_resolver;

/* `servers`: "address[:port],..." of the setting dns-servers; NULL or "": /etc/resolv.conf, read
 * again when it changes. `guard` is borrowed. */
int wr_resolver_new(struct wr_loop *loop, const char *servers, const struct wr_net_guard *guard,
                    struct wr_resolver **ret, struct wr_error *err) WR_MUST_CHECK;
/* What is under way ends without a call of its fn. Accepts NULL, returns NULL. */
struct wr_resolver *wr_resolver_free(struct wr_resolver *resolver);

enum wr_resolve_family { WR_RESOLVE_V4 = 1, WR_RESOLVE_V6 = 2, WR_RESOLVE_BOTH = 3 };

enum wr_resolve_outcome {
    WR_RESOLVE_OK = 0,      /* at least one address */
    WR_RESOLVE_NO_NAME = 1, /* NXDOMAIN */
    WR_RESOLVE_NO_DATA = 2, /* the name has no such record */
    WR_RESOLVE_BLOCKED = 3, /* every address is closed by the guard; `blocked` says why */
    WR_RESOLVE_FAILED = 4,  /* no answer in time, SERVFAIL, or too many questions */
};

/* Embedded in its user's struct, zeroed before the first use. */
struct wr_resolve {
    void (*fn)(struct wr_resolve *resolve); /* called once, at once or later */
    enum wr_resolve_outcome outcome;
    struct wr_ip addresses[WR_RESOLVE_MAX_ADDRESSES]; /* IPv4 first */
    size_t count;
    uint32_t ttl_s;
    const char *blocked; /* static */
    /* Who asks, if that is bounded: at most WR_RESOLVE_MAX_OF_ONE questions under way are begun for
     * one asker, and never more than room remains for others; beyond that the outcome is FAILED. It
     * is compared and never used. NULL: whoever calls looks after the bound. */
    const void *asker;
    /* private: */
    struct wr_resolver *resolver; /* NULL: nothing is under way */
    struct wr_list waits[2];      /* for the A and for the AAAA question */
    void *lookups[2];
    unsigned seen; /* outcomes of the parts so far, as bits */
};

/* `name`: a host name without a dot at the end. IPv6 addresses are left out when the host has no
 * route for them. */
void wr_resolver_start(struct wr_resolver *resolver, struct wr_resolve *resolve, const char *name,
                       enum wr_resolve_family family);
/* How many questions may still be put under way. One asker should not have more than that under way
 * itself: then there is always room for another one. */
size_t wr_resolver_room(const struct wr_resolver *resolver);
const struct wr_net_guard *wr_resolver_guard(const struct wr_resolver *resolver);
/* Without a call of fn; idempotent. */
void wr_resolve_cancel(struct wr_resolve *resolve);

/* One question of another type, not cached; the answer is the upstream's message, structurally
 * checked (dns_message.h), or NULL. */
struct wr_resolve_raw {
    void (*fn)(struct wr_resolve_raw *raw, const unsigned char *answer, size_t len);
    /* private: */
    struct wr_list link;
    void *job;
};
void wr_resolver_start_raw(struct wr_resolver *resolver, struct wr_resolve_raw *raw,
                           const char *name, uint16_t type);
void wr_resolve_raw_cancel(struct wr_resolve_raw *raw);
