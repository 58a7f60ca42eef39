#include "server/auth/cache.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define BUCKETS 1024 /* a power of two */

struct wr_key_cache {
    struct wr_list buckets[BUCKETS];
    /* The newest use is last. Indexed by `known`. */
    struct wr_list ages[2];
    size_t counts[2];
};

static const size_t maxima[2] = {WR_KEY_CACHE_MAX_BAD, WR_KEY_CACHE_MAX};

struct wr_key_cache *wr_key_cache_new(void)
{
    struct wr_key_cache *cache = wr_calloc(1, sizeof *cache);

    if (!cache)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        wr_list_init(&cache->buckets[i]);
    for (size_t i = 0; i < WR_ARRAY_SIZE(cache->ages); i++)
        wr_list_init(&cache->ages[i]);
    return cache;
}

static void drop_all(struct wr_key_cache *cache, bool known)
{
    wr_list_foreach(it, &cache->ages[known])
        wr_key_cache_remove(cache, wr_list_entry(it, struct wr_cached_key, age_link));
}

struct wr_key_cache *wr_key_cache_free(struct wr_key_cache *cache)
{
    if (!cache)
        return NULL;
    drop_all(cache, false);
    drop_all(cache, true);
    free(cache);
    return NULL;
}

/* The hash is one already. */
static struct wr_list *bucket_of(struct wr_key_cache *cache, const uint8_t hash[static 32])
{
    return &cache->buckets[((size_t)hash[0] << 8 | hash[1]) & (BUCKETS - 1)];
}

static void touch(struct wr_key_cache *cache, struct wr_cached_key *key)
{
    wr_list_remove(&key->age_link);
    wr_list_append(&cache->ages[key->known], &key->age_link);
}

struct wr_cached_key *wr_key_cache_find(struct wr_key_cache *cache, const uint8_t hash[static 32],
                                        uint64_t now_ms)
{
    wr_list_foreach(it, bucket_of(cache, hash)) {
        struct wr_cached_key *key = wr_list_entry(it, struct wr_cached_key, bucket_link);
        if (!wr_memeq_consttime(key->hash, hash, sizeof key->hash))
            continue;
        if (!key->known && now_ms - key->added_ms > WR_KEY_CACHE_BAD_TTL_MS) {
            wr_key_cache_remove(cache, key);
            return NULL;
        }
        touch(cache, key);
        return key;
    }
    return NULL;
}

/* From the newest use: the one that is asked for was mostly found by its hash just before. */
struct wr_cached_key *wr_key_cache_find_id(struct wr_key_cache *cache, const char *key_id)
{
    for (struct wr_list *it = cache->ages[true].prev; it != &cache->ages[true]; it = it->prev) {
        struct wr_cached_key *key = wr_list_entry(it, struct wr_cached_key, age_link);
        if (wr_streq(key->who.key_id, key_id))
            return key;
    }
    return NULL;
}

struct wr_cached_key *wr_key_cache_add(struct wr_key_cache *cache, const uint8_t hash[static 32],
                                       const struct wr_principal *who, uint64_t now_ms)
{
    bool known = who != NULL;

    if (cache->counts[known] == maxima[known])
        wr_key_cache_remove(cache,
                            wr_list_entry(cache->ages[known].next, struct wr_cached_key, age_link));
    struct wr_cached_key *key = wr_calloc(1, sizeof *key);
    if (!key)
        return NULL;
    memcpy(key->hash, hash, sizeof key->hash);
    key->known = known;
    key->added_ms = now_ms;
    if (who)
        key->who = *who;
    wr_list_append(bucket_of(cache, hash), &key->bucket_link);
    wr_list_append(&cache->ages[known], &key->age_link);
    cache->counts[known]++;
    return key;
}

void wr_key_cache_remove(struct wr_key_cache *cache, struct wr_cached_key *key)
{
    if (!key)
        return;
    cache->counts[key->known]--;
    wr_list_remove(&key->bucket_link);
    wr_list_remove(&key->age_link);
    free(key);
}

void wr_key_cache_drop_bad(struct wr_key_cache *cache)
{
    drop_all(cache, false);
}
