#include "server/egress/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "server/egress/dns_reader.h"
#include "server/egress/dns_upstream.h"
#include "server/egress/name_cache.h"
#include "server/egress/name_servers.h"

#define BUCKETS        256
#define NEGATIVE_TTL_S 5
#define FAILED_TTL_S   1

enum { PART_V4 = 0, PART_V6 = 1 };
static const uint16_t part_types[2] = {WR_DNS_A, WR_DNS_AAAA};

/* A question for addresses under way, and who waits for it. */
struct lookup {
    struct wr_list link; /* of its bucket */
    struct wr_resolver *resolver;
    struct wr_dns_upstream *upstream;
    struct wr_list waiters; /* waits[part] of struct wr_resolve */
    const void *asker;      /* who has begun it; may be gone */
    unsigned part;
    char name[WR_DNS_MAX_NAME + 1];
    unsigned char wire[WR_DNS_MAX_WIRE];
    size_t wire_len;
};

struct raw_job {
    struct wr_resolver *resolver;
    struct wr_dns_upstream *upstream;
    struct wr_resolve_raw *raw;
    uint16_t type;
    unsigned char wire[WR_DNS_MAX_WIRE];
    size_t wire_len;
};

struct wr_resolver {
    struct wr_loop *loop;
    const struct wr_net_guard *guard;
    struct wr_name_servers servers;
    struct wr_name_cache *cache;
    struct wr_list lookups[BUCKETS];
    uint64_t key;
    struct wr_list raws;
    size_t pending;
    int route_fd; /* asks the kernel for routes; -1 without IPv6 */
};

int wr_resolver_new(struct wr_loop *loop, const char *servers, const struct wr_net_guard *guard,
                    struct wr_resolver **ret, struct wr_error *err)
{
    struct wr_resolver *resolver = wr_calloc(1, sizeof *resolver);

    if (!resolver)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "resolver");
    resolver->loop = loop;
    resolver->guard = guard;
    resolver->route_fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    wr_random_bytes(&resolver->key, sizeof resolver->key);
    wr_list_init(&resolver->raws);
    for (size_t i = 0; i < BUCKETS; i++)
        wr_list_init(&resolver->lookups[i]);
    resolver->cache = wr_name_cache_new(WR_RESOLVE_CACHE);
    int r = resolver->cache
                ? wr_dns_upstream_init(err)
                : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache of the resolver");
    if (r == 0)
        r = wr_name_servers_init(&resolver->servers, servers, "/etc/resolv.conf", err);
    if (r < 0)
        (void)wr_resolver_free(resolver);
    else
        *ret = resolver;
    return r;
}

size_t wr_resolver_room(const struct wr_resolver *resolver)
{
    return WR_RESOLVE_MAX_PENDING - resolver->pending;
}

const struct wr_net_guard *wr_resolver_guard(const struct wr_resolver *resolver)
{
    return resolver->guard;
}

/* ---- one who asks ---- */

static struct wr_resolve *waiter_of(struct wr_list *node, unsigned part)
{
    return part == PART_V4 ? wr_list_entry(node, struct wr_resolve, waits[PART_V4])
                           : wr_list_entry(node, struct wr_resolve, waits[PART_V6]);
}

/* Whether packets could leave for the address at all; connecting a UDP socket sends none. */
static bool has_route(const struct wr_resolver *resolver, const struct wr_ip *ip)
{
    struct sockaddr_storage address;

    if (wr_ip_is_v4(ip))
        return true;
    socklen_t len = wr_ip_to_sockaddr(ip, 443, &address);
    return resolver->route_fd >= 0 &&
           connect(resolver->route_fd, (const struct sockaddr *)&address, len) == 0;
}

/* One part of the answer; IPv4 addresses go before those that are there. */
static void merge(struct wr_resolve *resolve, unsigned part, const struct wr_name_answer *answer)
{
    struct wr_ip kept[WR_RESOLVE_MAX_ADDRESSES];
    size_t count = 0;
    enum wr_resolve_outcome outcome = answer->outcome;

    if (outcome == WR_RESOLVE_OK)
        outcome = WR_RESOLVE_NO_DATA; /* until an address remains */
    for (size_t i = 0; i < answer->count; i++) {
        const struct wr_ip *ip = &answer->addresses[i];
        const char *blocked = wr_guard_check(resolve->resolver->guard, ip, 0);
        if (blocked) {
            resolve->blocked = blocked;
            outcome = WR_RESOLVE_BLOCKED;
        } else if (has_route(resolve->resolver, ip)) {
            kept[count++] = *ip;
        }
    }
    resolve->seen |= 1U << outcome;
    resolve->ttl_s = WR_MIN(resolve->ttl_s, answer->ttl_s);
    if (part == PART_V4) {
        resolve->count = WR_MIN(resolve->count, WR_RESOLVE_MAX_ADDRESSES - count);
        memmove(resolve->addresses + count, resolve->addresses,
                resolve->count * sizeof *resolve->addresses);
        memcpy(resolve->addresses, kept, count * sizeof *kept);
    } else {
        count = WR_MIN(count, WR_RESOLVE_MAX_ADDRESSES - resolve->count);
        memcpy(resolve->addresses + resolve->count, kept, count * sizeof *kept);
    }
    resolve->count += count;
}

/* Calls back when no part is missing. */
static void conclude(struct wr_resolve *resolve)
{
    /* What says most about why there is no address. */
    static const enum wr_resolve_outcome order[] = {WR_RESOLVE_BLOCKED, WR_RESOLVE_FAILED,
                                                    WR_RESOLVE_NO_DATA, WR_RESOLVE_NO_NAME};

    if (wr_list_linked(&resolve->waits[PART_V4]) || wr_list_linked(&resolve->waits[PART_V6]))
        return;
    resolve->outcome = WR_RESOLVE_OK;
    for (size_t i = 0; i < WR_ARRAY_SIZE(order) && resolve->count == 0; i++) {
        if (resolve->seen & 1U << order[i]) {
            resolve->outcome = order[i];
            break;
        }
    }
    resolve->resolver = NULL;
    resolve->fn(resolve);
}

/* ---- questions for addresses ---- */

static struct wr_list *bucket_of(struct wr_resolver *resolver, const char *name, unsigned part)
{
    return &resolver->lookups[wr_name_hash(resolver->key, name, part_types[part]) % BUCKETS];
}

/* Its waiters must be gone. */
static void lookup_free(struct lookup *lookup)
{
    wr_list_remove(&lookup->link);
    lookup->resolver->pending--;
    (void)wr_dns_upstream_cancel(lookup->upstream);
    free(lookup);
}

static void read_answer(const struct lookup *lookup, const unsigned char *message, size_t len,
                        struct wr_name_answer *ret)
{
    struct wr_dns_found found;

    ret->outcome = WR_RESOLVE_FAILED;
    ret->ttl_s = FAILED_TTL_S;
    if (!message || wr_dns_read_addresses(message, len, lookup->wire, lookup->wire_len,
                                          part_types[lookup->part], &found) < 0)
        return;
    if (found.rcode == WR_DNS_NOERROR && found.count > 0) {
        ret->outcome = WR_RESOLVE_OK;
        ret->count = found.count;
        ret->ttl_s = found.ttl_s;
        memcpy(ret->addresses, found.addresses, found.count * sizeof *found.addresses);
    } else if (found.rcode == WR_DNS_NOERROR || found.rcode == WR_DNS_NXDOMAIN) {
        ret->outcome = found.rcode == WR_DNS_NXDOMAIN ? WR_RESOLVE_NO_NAME : WR_RESOLVE_NO_DATA;
        ret->ttl_s = NEGATIVE_TTL_S;
    }
}

static void on_addresses(const unsigned char *message, size_t len, void *data)
{
    struct lookup *lookup = data;
    struct wr_resolver *resolver = lookup->resolver;
    const unsigned part = lookup->part;
    struct wr_name_answer answer = {.count = 0};
    struct wr_list waiters;

    lookup->upstream = NULL;
    read_answer(lookup, message, len, &answer);
    wr_name_cache_put(resolver->cache, lookup->name, part_types[part],
                      wr_loop_now_ms(resolver->loop), &answer);
    /* Those who are called may cancel each other, and ask again: for the list, not the question. */
    wr_list_init(&waiters);
    wr_list_foreach(node, &lookup->waiters) {
        wr_list_remove(node);
        wr_list_append(&waiters, node);
        waiter_of(node, part)->lookups[part] = NULL;
    }
    lookup_free(lookup);
    while (!wr_list_empty(&waiters)) {
        struct wr_list *node = waiters.next;
        struct wr_resolve *resolve = waiter_of(node, part);
        wr_list_remove(node);
        merge(resolve, part, &answer);
        conclude(resolve);
    }
}

/* Whether that asker may begin another question: whoever leaves as much room as he takes up cannot
 * shut out others. */
static bool has_share(const struct wr_resolver *resolver, const void *asker)
{
    size_t own = 0;

    if (!asker)
        return resolver->pending < WR_RESOLVE_MAX_PENDING;
    for (size_t i = 0; i < BUCKETS; i++)
        wr_list_foreach(node, &resolver->lookups[i])
            own += wr_list_entry(node, struct lookup, link)->asker == asker;
    return own < WR_MIN(wr_resolver_room(resolver), (size_t)WR_RESOLVE_MAX_OF_ONE);
}

/* The question if it is under way already, or a new one; NULL when it cannot be asked. */
static struct lookup *lookup_start(struct wr_resolver *resolver, const char *name, unsigned part,
                                   const void *asker)
{
    struct wr_list *bucket = bucket_of(resolver, name, part);

    wr_list_foreach(node, bucket) {
        struct lookup *known = wr_list_entry(node, struct lookup, link);
        if (known->part == part && wr_streq(known->name, name))
            return known;
    }
    if (!has_share(resolver, asker))
        return NULL;
    struct lookup *lookup = wr_calloc(1, sizeof *lookup);
    if (!lookup)
        return NULL;
    lookup->resolver = resolver;
    lookup->part = part;
    lookup->asker = asker;
    wr_list_init(&lookup->waiters);
    wr_list_append(bucket, &lookup->link);
    resolver->pending++;
    lookup->wire_len = wr_dns_name_to_wire(name, lookup->wire);
    if (lookup->wire_len > 0 && wr_strcopy(lookup->name, sizeof lookup->name, name)) {
        wr_name_servers_refresh(&resolver->servers, wr_loop_now_ms(resolver->loop));
        const struct wr_dns_upstream_opts opts = {
            .servers = &resolver->servers,
            .wire = lookup->wire,
            .wire_len = lookup->wire_len,
            .type = part_types[part],
            .timeout_ms = WR_RESOLVE_TIMEOUT_MS,
            .fn = on_addresses,
            .data = lookup,
        };
        lookup->upstream = wr_dns_upstream_start(resolver->loop, &opts);
    }
    if (!lookup->upstream) {
        lookup_free(lookup);
        return NULL;
    }
    return lookup;
}

static bool to_lower(const char *name, char out[static WR_DNS_MAX_NAME + 1])
{
    if (!wr_strcopy(out, WR_DNS_MAX_NAME + 1, name))
        return false;
    for (char *c = out; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    return true;
}

void wr_resolver_start(struct wr_resolver *resolver, struct wr_resolve *resolve, const char *name,
                       enum wr_resolve_family family)
{
    char lower[WR_DNS_MAX_NAME + 1];
    const bool usable = to_lower(name, lower);

    resolve->resolver = resolver;
    resolve->count = 0;
    resolve->seen = 0;
    resolve->blocked = NULL;
    resolve->ttl_s = WR_RESOLVE_MAX_TTL_S;
    for (unsigned part = PART_V4; part <= PART_V6; part++) {
        struct wr_name_answer answer = {.outcome = WR_RESOLVE_FAILED, .ttl_s = FAILED_TTL_S};
        if (!((unsigned)family & 1U << part))
            continue;
        struct lookup *lookup = NULL;
        if (usable && !wr_name_cache_get(resolver->cache, lower, part_types[part],
                                         wr_loop_now_ms(resolver->loop), &answer))
            lookup = lookup_start(resolver, lower, part, resolve->asker);
        resolve->lookups[part] = lookup;
        if (lookup)
            wr_list_append(&lookup->waiters, &resolve->waits[part]);
        else
            merge(resolve, part, &answer);
    }
    conclude(resolve);
}

static void leave(struct wr_resolve *resolve, unsigned part)
{
    struct lookup *lookup = resolve->lookups[part];

    wr_list_remove(&resolve->waits[part]);
    resolve->lookups[part] = NULL;
    if (lookup && wr_list_empty(&lookup->waiters))
        lookup_free(lookup);
}

void wr_resolve_cancel(struct wr_resolve *resolve)
{
    if (!resolve->resolver)
        return;
    leave(resolve, PART_V4);
    leave(resolve, PART_V6);
    resolve->resolver = NULL;
}

/* ---- questions of other types ---- */

static void raw_job_free(struct raw_job *job)
{
    wr_list_remove(&job->raw->link);
    job->raw->job = NULL;
    job->resolver->pending--;
    (void)wr_dns_upstream_cancel(job->upstream);
    free(job);
}

static void on_raw(const unsigned char *message, size_t len, void *data)
{
    struct raw_job *job = data;
    struct wr_resolve_raw *raw = job->raw;
    bool valid = message && wr_dns_valid(message, len, job->wire, job->wire_len, job->type);

    job->upstream = NULL;
    raw_job_free(job);
    raw->fn(raw, valid ? message : NULL, valid ? len : 0);
}

static struct raw_job *raw_job_new(struct wr_resolver *resolver, struct wr_resolve_raw *raw,
                                   const char *name, uint16_t type)
{
    struct raw_job *job = wr_calloc(1, sizeof *job);

    if (!job)
        return NULL;
    job->resolver = resolver;
    job->raw = raw;
    job->type = type;
    job->wire_len = wr_dns_name_to_wire(name, job->wire);
    if (job->wire_len > 0) {
        wr_name_servers_refresh(&resolver->servers, wr_loop_now_ms(resolver->loop));
        const struct wr_dns_upstream_opts opts = {
            .servers = &resolver->servers,
            .wire = job->wire,
            .wire_len = job->wire_len,
            .type = type,
            .timeout_ms = WR_RESOLVE_TIMEOUT_MS,
            .fn = on_raw,
            .data = job,
        };
        job->upstream = wr_dns_upstream_start(resolver->loop, &opts);
    }
    if (!job->upstream) {
        free(job);
        return NULL;
    }
    return job;
}

void wr_resolver_start_raw(struct wr_resolver *resolver, struct wr_resolve_raw *raw,
                           const char *name, uint16_t type)
{
    struct raw_job *job =
        resolver->pending < WR_RESOLVE_MAX_PENDING ? raw_job_new(resolver, raw, name, type) : NULL;

    raw->job = job;
    if (!job) {
        raw->fn(raw, NULL, 0);
        return;
    }
    resolver->pending++;
    wr_list_append(&resolver->raws, &raw->link);
}

void wr_resolve_raw_cancel(struct wr_resolve_raw *raw)
{
    if (raw->job)
        raw_job_free(raw->job);
}

struct wr_resolver *wr_resolver_free(struct wr_resolver *resolver)
{
    if (!resolver)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (!wr_list_empty(&resolver->lookups[i])) {
            struct lookup *lookup = wr_list_entry(resolver->lookups[i].next, struct lookup, link);
            while (!wr_list_empty(&lookup->waiters)) {
                struct wr_list *node = lookup->waiters.next;
                struct wr_resolve *resolve = waiter_of(node, lookup->part);
                wr_list_remove(node);
                resolve->lookups[lookup->part] = NULL;
                resolve->resolver = NULL;
            }
            lookup_free(lookup);
        }
    }
    while (!wr_list_empty(&resolver->raws)) {
        struct wr_resolve_raw *raw =
            wr_list_entry(resolver->raws.next, struct wr_resolve_raw, link);
        raw_job_free(raw->job);
    }
    resolver->cache = wr_name_cache_free(resolver->cache);
    resolver->route_fd = wr_close(resolver->route_fd);
    free(resolver);
    return NULL;
}
