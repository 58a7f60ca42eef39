/* What every store has to do; used by the tests of each. */
#pragma once

#include "base/error.h"
#include "primitives/cache/store.h"
#include "test.h"

/* A key of 64 digits with a number at its end. */
static inline const char *store_key(unsigned number)
{
    static char keys[8][WR_CACHE_KEY_SIZE];
    static unsigned next;
    char *key = keys[next++ % 8];
    (void)snprintf(key, WR_CACHE_KEY_SIZE, "%08x%056u", number * 2654435761U, number);
    return key;
}

static inline void store_put(struct wr_cache_store *store, unsigned key, const char *text,
                             uint64_t now_ms, uint64_t ttl_ms)
{
    struct wr_error err = {0};
    const struct wr_cache_text value = {.text = (char *)(uintptr_t)text, .len = strlen(text)};
    if (wr_cache_store_ops(store)->put(wr_cache_store_self(store), store_key(key), &value, now_ms,
                                       ttl_ms, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

/* `expected` NULL: an enum wr_cache_found in `found`. */
static inline void store_check(struct wr_cache_store *store, unsigned key, uint64_t now_ms,
                               int found, const char *expected)
{
    struct wr_error err = {0};
    struct wr_cache_text text = {0};
    int r = wr_cache_store_ops(store)->get(wr_cache_store_self(store), store_key(key), now_ms,
                                           &text, &err);
    if (r < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(r, found);
    if (expected) {
        CHECK_STR(text.text, expected);
        CHECK_INT(text.len, strlen(expected));
    }
    free(text.text);
}

static inline uint64_t store_count(struct wr_cache_store *store)
{
    struct wr_error err = {0};
    uint64_t count = 0;
    CHECK_INT(wr_cache_store_ops(store)->count(wr_cache_store_self(store), &count, &err), 0);
    return count;
}

static inline void store_clear(struct wr_cache_store *store)
{
    struct wr_error err = {0};
    CHECK_INT(wr_cache_store_ops(store)->clear(wr_cache_store_self(store), &err), 0);
}
