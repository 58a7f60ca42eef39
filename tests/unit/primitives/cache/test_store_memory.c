#include "base/base.h"
#include "store_check.h"

static struct wr_cache_store *make(size_t max_entries, size_t max_bytes)
{
    struct wr_error err = {0};
    struct wr_cache_store *store = wr_cache_memory(max_entries, max_bytes, &err);
    CHECK(store);
    return store;
}

TEST(what_was_put_is_there)
{
    struct wr_cache_store *store = make(0, 0);
    store_check(store, 1, 0, WR_CACHE_MISS, NULL);
    store_put(store, 1, "one", 0, 1000);
    store_put(store, 2, "", 0, 1000);
    store_check(store, 1, 0, WR_CACHE_HIT, "one");
    store_check(store, 2, 0, WR_CACHE_HIT, "");
    store_put(store, 1, "uno", 0, 1000);
    store_check(store, 1, 0, WR_CACHE_HIT, "uno");
    CHECK_INT(store_count(store), 2);
    store_clear(store);
    CHECK_INT(store_count(store), 0);
    store_check(store, 1, 0, WR_CACHE_MISS, NULL);
    wr_cache_store_free(store);
}

TEST(entries_expire)
{
    struct wr_cache_store *store = make(0, 0);
    store_put(store, 1, "one", 1000, 50);
    store_check(store, 1, 1049, WR_CACHE_HIT, "one");
    store_check(store, 1, 1050, WR_CACHE_EXPIRED, NULL);
    store_check(store, 1, 1049, WR_CACHE_MISS, NULL);
    store_put(store, 2, "two", 1000, 50);
    store_check(store, 2, 999, WR_CACHE_EXPIRED, NULL);
    wr_cache_store_free(store);
}

TEST(the_least_recently_used_go)
{
    struct wr_cache_store *store = make(3, 0);
    for (unsigned i = 1; i <= 3; i++)
        store_put(store, i, "x", 0, 1000);
    store_check(store, 1, 0, WR_CACHE_HIT, "x");
    store_put(store, 4, "x", 0, 1000);
    store_check(store, 2, 0, WR_CACHE_MISS, NULL);
    store_check(store, 1, 0, WR_CACHE_HIT, "x");
    store_check(store, 3, 0, WR_CACHE_HIT, "x");
    CHECK_INT(store_count(store), 3);
    wr_cache_store_free(store);
}

TEST(bytes_are_limited)
{
    char text[4096 + 1];
    struct wr_cache_store *store = make(0, 16384);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned i = 0; i < 20; i++)
        store_put(store, i, text, 0, 1000);
    CHECK_INT(store_count(store), 3);
    store_check(store, 19, 0, WR_CACHE_HIT, text);
    store_check(store, 16, 0, WR_CACHE_MISS, NULL);
    wr_cache_store_free(store);

    /* Larger than all of it: left out, and nothing goes for it. */
    store = make(0, 4096);
    store_put(store, 1, "small", 0, 1000);
    store_put(store, 2, text, 0, 1000);
    store_check(store, 2, 0, WR_CACHE_MISS, NULL);
    store_check(store, 1, 0, WR_CACHE_HIT, "small");
    wr_cache_store_free(store);
}

TEST(many_entries_and_one)
{
    struct wr_cache_store *store = make(100000, 0);
    for (unsigned i = 0; i < 5000; i++)
        store_put(store, i, "x", 0, 1000);
    for (unsigned i = 0; i < 5000; i++)
        store_check(store, i, 0, WR_CACHE_HIT, "x");
    CHECK_INT(store_count(store), 5000);
    wr_cache_store_free(store);
    store = make(1, 0);
    store_put(store, 1, "a", 0, 1000);
    store_put(store, 2, "b", 0, 1000);
    store_check(store, 1, 0, WR_CACHE_MISS, NULL);
    store_check(store, 2, 0, WR_CACHE_HIT, "b");
    wr_cache_store_free(store);
}

TEST(holders_and_limits)
{
    struct wr_error err = {0};
    struct wr_cache_store *store = make(0, 0);
    CHECK(wr_cache_store_ref(store) == store);
    CHECK(!wr_cache_store_free(store));
    store_put(store, 1, "still there", 0, 1000);
    CHECK(!wr_cache_store_free(store));
    CHECK(!wr_cache_store_free(NULL) && !wr_cache_store_ref(NULL));
    CHECK(!wr_cache_memory(((size_t)1 << 24) + 1, 0, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    wr_cache_store_free(make((size_t)1 << 24, 1));
}
