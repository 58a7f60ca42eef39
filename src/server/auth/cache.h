/*
 * Keys that were seen lately, by their hash: whose they are and what they may still take. Bounded:
 * the key that was used least lately goes first. Hashes that are no key's are remembered too, for a
 * short time and in a list of their own, so that they push out nobody.
 */
#pragma once

#include "base/list.h"
#include "server/auth/auth.h"
#include "server/auth/bucket.h"

#define WR_KEY_CACHE_MAX        4096
#define WR_KEY_CACHE_MAX_BAD    512
#define WR_KEY_CACHE_BAD_TTL_MS 10000

struct wr_cached_key {
    struct wr_list bucket_link, age_link;
    uint8_t hash[32];
    bool known;              /* false: no key has this hash */
    struct wr_principal who; /* of a known one */
    struct wr_bucket requests, creates;
    uint64_t used_ms;  /* wall clock: last time that the use was recorded */
    uint64_t added_ms; /* monotonic */
};

struct wr_key_cache;

/* NULL without memory. */
struct wr_key_cache *wr_key_cache_new(void) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_key_cache *wr_key_cache_free(struct wr_key_cache *cache);
/* NULL when it is not there, or not known and too old. Borrowed until the next call. */
struct wr_cached_key *wr_key_cache_find(struct wr_key_cache *cache, const uint8_t hash[static 32],
                                        uint64_t now_ms);
struct wr_cached_key *wr_key_cache_find_id(struct wr_key_cache *cache, const char *key_id);
/* `who` NULL: no key has this hash. It must not be there. NULL without memory. */
struct wr_cached_key *wr_key_cache_add(struct wr_key_cache *cache, const uint8_t hash[static 32],
                                       const struct wr_principal *who, uint64_t now_ms);
/* Accepts NULL. */
void wr_key_cache_remove(struct wr_key_cache *cache, struct wr_cached_key *key);
/* Forgets what was no key: one was added. */
void wr_key_cache_drop_bad(struct wr_key_cache *cache);
