/*
 * Where a cache keeps its values. What is kept is text of at most WR_CACHE_VALUE_MAX bytes under a
 * key of 64 hex digits; a store does not look into it. Thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "warren/cache.h"

#define WR_CACHE_KEY_SIZE  65 /* with NUL */
#define WR_CACHE_VALUE_MAX ((size_t)16 << 20)

enum wr_cache_found { WR_CACHE_MISS = 0, WR_CACHE_HIT = 1, WR_CACHE_EXPIRED = 2 };

/* Bytes on the heap that end with a NUL that is not counted. */
struct wr_cache_text {
    char *text;
    size_t len;
};

struct wr_cache_store_ops {
    const char *name;
    /* Other processes, and this one after a restart, see it: `now_ms` is since 1970. */
    bool wall_time;
    /* An enum wr_cache_found (with WR_CACHE_HIT *ret is the caller's), or -WR_E_*. */
    int (*get)(void *self, const char *key, uint64_t now_ms, struct wr_cache_text *ret,
               struct wr_error *err);
    /* What is too large for the store is left out; that is no error. */
    int (*put)(void *self, const char *key, const struct wr_cache_text *value, uint64_t now_ms,
               uint64_t ttl_ms, struct wr_error *err);
    int (*clear)(void *self, struct wr_error *err);
    /* How many there are, expired ones may be among them. NULL: the store cannot tell. */
    int (*count)(void *self, uint64_t *ret, struct wr_error *err);
    void (*free)(void *self);
};

/* `self` stays the caller's on failure. */
struct wr_cache_store *wr_cache_store_make(const struct wr_cache_store_ops *ops, void *self,
                                           struct wr_error *err);
const struct wr_cache_store_ops *wr_cache_store_ops(const struct wr_cache_store *store);
void *wr_cache_store_self(const struct wr_cache_store *store);
