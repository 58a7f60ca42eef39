#include "server/egress/name_cache.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "base/str.h"

struct entry {
    struct wr_list used; /* in the order of use, the latest last */
    struct entry *next;  /* of the same bucket */
    uint64_t end_ms;
    enum wr_resolve_outcome outcome;
    uint16_t type;
    uint8_t count;
    char *name;               /* behind the addresses, in the same allocation */
    struct wr_ip addresses[]; /* count */
};

struct wr_name_cache {
    size_t max, count;
    size_t mask; /* number of buckets - 1 */
    uint64_t key;
    struct wr_list used;
    struct entry **buckets;
};

uint64_t wr_name_hash(uint64_t key, const char *name, uint16_t type)
{
    /* FNV-1a, begun at a random value, with a last mixing step. */
    uint64_t hash = 0xcbf29ce484222325ULL ^ key ^ type;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3ULL;
    return (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ULL ^ hash >> 32;
}

struct wr_name_cache *wr_name_cache_new(size_t max)
{
    struct wr_name_cache *cache = wr_calloc(1, sizeof *cache);
    size_t buckets = 1;

    if (!cache)
        return NULL;
    while (buckets < max)
        buckets *= 2;
    cache->buckets = wr_calloc(buckets, sizeof(struct entry *));
    if (!cache->buckets) {
        free(cache);
        return NULL;
    }
    cache->max = max;
    cache->mask = buckets - 1;
    wr_random_bytes(&cache->key, sizeof cache->key);
    wr_list_init(&cache->used);
    return cache;
}

static struct entry **place_of(struct wr_name_cache *cache, const char *name, uint16_t type)
{
    struct entry **at = &cache->buckets[wr_name_hash(cache->key, name, type) & cache->mask];

    while (*at && ((*at)->type != type || !wr_streq((*at)->name, name)))
        at = &(*at)->next;
    return at;
}

static void drop(struct wr_name_cache *cache, struct entry **place)
{
    struct entry *entry = *place;

    *place = entry->next;
    wr_list_remove(&entry->used);
    cache->count--;
    free(entry);
}

struct wr_name_cache *wr_name_cache_free(struct wr_name_cache *cache)
{
    if (!cache)
        return NULL;
    wr_list_foreach(node, &cache->used)
        free(wr_list_entry(node, struct entry, used));
    free(cache->buckets);
    free(cache);
    return NULL;
}

bool wr_name_cache_get(struct wr_name_cache *cache, const char *name, uint16_t type,
                       uint64_t now_ms, struct wr_name_answer *ret)
{
    struct entry **place = place_of(cache, name, type), *entry = *place;

    if (!entry)
        return false;
    if (now_ms >= entry->end_ms) {
        drop(cache, place);
        return false;
    }
    wr_list_remove(&entry->used);
    wr_list_append(&cache->used, &entry->used);
    ret->outcome = entry->outcome;
    ret->count = entry->count;
    memcpy(ret->addresses, entry->addresses, entry->count * sizeof *entry->addresses);
    ret->ttl_s = (uint32_t)((entry->end_ms - now_ms + 999) / 1000);
    return true;
}

void wr_name_cache_put(struct wr_name_cache *cache, const char *name, uint16_t type,
                       uint64_t now_ms, struct wr_name_answer *answer)
{
    struct entry **place = place_of(cache, name, type);
    const size_t count = WR_MIN(answer->count, WR_RESOLVE_MAX_ADDRESSES);
    const size_t addresses = count * sizeof(struct wr_ip), name_size = strlen(name) + 1;

    answer->ttl_s = WR_MIN(WR_MAX(answer->ttl_s, WR_RESOLVE_MIN_TTL_S), WR_RESOLVE_MAX_TTL_S);
    if (*place) {
        drop(cache, place);
    } else if (cache->count == cache->max) {
        struct entry *oldest = wr_list_entry(cache->used.next, struct entry, used);
        drop(cache, place_of(cache, oldest->name, oldest->type));
    }
    struct entry *entry = wr_calloc(1, sizeof *entry + addresses + name_size);
    if (!entry)
        return;
    entry->end_ms = now_ms + (uint64_t)answer->ttl_s * 1000;
    entry->outcome = answer->outcome;
    entry->type = type;
    entry->count = (uint8_t)count;
    memcpy(entry->addresses, answer->addresses, addresses);
    entry->name = (char *)entry->addresses + addresses;
    memcpy(entry->name, name, name_size);
    place = &cache->buckets[wr_name_hash(cache->key, name, type) & cache->mask];
    entry->next = *place;
    *place = entry;
    wr_list_append(&cache->used, &entry->used);
    cache->count++;
}

size_t wr_name_cache_count(const struct wr_name_cache *cache)
{
    return cache->count;
}
