/*
 * Answers to questions for addresses, until their time is over. Bounded: the entry that was used
 * longest ago makes room. Time is given by the caller.
 */
#pragma once

#include "server/egress/resolver.h"

struct wr_name_cache;

struct wr_name_answer {
    enum wr_resolve_outcome outcome; /* BLOCKED never: the guard judges what comes out of here */
    struct wr_ip addresses[WR_RESOLVE_MAX_ADDRESSES];
    size_t count;
    uint32_t ttl_s; /* in: of the answer; out: what is left of it */
};

/* `max` entries, at least 1. NULL without memory. */
struct wr_name_cache *wr_name_cache_new(size_t max) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_name_cache *wr_name_cache_free(struct wr_name_cache *cache);
/* `name` in lower case; `type` A or AAAA. False when there is no answer, or it is too old. */
bool wr_name_cache_get(struct wr_name_cache *cache, const char *name, uint16_t type,
                       uint64_t now_ms, struct wr_name_answer *ret);
/* Keeps a copy for ttl_s, which is first brought between WR_RESOLVE_MIN_TTL_S and
 * WR_RESOLVE_MAX_TTL_S, also in `answer`. Without memory nothing is kept. */
void wr_name_cache_put(struct wr_name_cache *cache, const char *name, uint16_t type,
                       uint64_t now_ms, struct wr_name_answer *answer);
size_t wr_name_cache_count(const struct wr_name_cache *cache);
/* For tables of names: of bytes that strangers choose, so that it is keyed. */
uint64_t wr_name_hash(uint64_t key, const char *name, uint16_t type);
