#include "scripted_redis.h"
#include "store_check.h"

static struct wr_cache_store *make(const struct scripted_redis *redis, const char *prefix)
{
    struct wr_error err = {0};
    struct wr_cache_store *store = wr_cache_redis(redis->url, prefix, &err);
    CHECK(store);
    return store;
}

TEST(commands_are_these)
{
    static const char *const answers[] = {"$0\r\n\r\n", "+OK\r\n", "$3\r\none\r\n", NULL};
    struct scripted_redis redis;
    char expected[1024];
    const char *key = store_key(1);
    scripted_redis_start(&redis, answers);
    struct wr_cache_store *store = make(&redis, "p:");
    store_check(store, 1, 0, WR_CACHE_MISS, NULL);
    store_put(store, 1, "one", 0, 1500);
    store_check(store, 1, 0, WR_CACHE_HIT, "one");
    wr_cache_store_free(store);
    scripted_redis_end(&redis);
    (void)snprintf(expected, sizeof expected,
                   "*4\r\n$8\r\nGETRANGE\r\n$66\r\np:%s\r\n$1\r\n0\r\n$8\r\n16777215\r\n"
                   "*5\r\n$3\r\nSET\r\n$66\r\np:%s\r\n$3\r\none\r\n$2\r\nPX\r\n$4\r\n1500\r\n"
                   "*4\r\n$8\r\nGETRANGE\r\n$66\r\np:%s\r\n$1\r\n0\r\n$8\r\n16777215\r\n",
                   key, key, key);
    CHECK_STR(redis.seen, expected);
}

TEST(what_is_no_text_is_a_miss)
{
    static const char *const answers[] = {":5\r\n", "*0\r\n", "$-1\r\n", "+text\r\n", NULL};
    struct scripted_redis redis;
    scripted_redis_start(&redis, answers);
    struct wr_cache_store *store = make(&redis, NULL);
    for (int i = 0; i < 4; i++)
        store_check(store, 1, 0, WR_CACHE_MISS, NULL);
    wr_cache_store_free(store);
    scripted_redis_end(&redis);
    CHECK(strstr(redis.seen, "$71\r\nwarren:"));
}

/* A key is a prefix and 64 hex digits; its bulk string with the prefix "a*" has 66 bytes. */
#define DIGITS_63    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define KEY_OF(last) "$66\r\na*" DIGITS_63 last "\r\n"

TEST(clearing_goes_through_all_pages_of_the_prefix)
{
    static const char *const answers[] = {"*2\r\n$2\r\n17\r\n*2\r\n" KEY_OF("1") KEY_OF("2"),
                                          ":1\r\n",
                                          ":1\r\n",
                                          "*2\r\n$1\r\n5\r\n*0\r\n",
                                          "*2\r\n$1\r\n0\r\n*1\r\n" KEY_OF("3"),
                                          ":1\r\n",
                                          NULL};
    static const char *const removed[] = {"UNLINK\r\n" KEY_OF("1"), "UNLINK\r\n" KEY_OF("2"),
                                          "UNLINK\r\n" KEY_OF("3")};
    struct scripted_redis redis;
    scripted_redis_start(&redis, answers);
    struct wr_cache_store *store = make(&redis, "a*");
    store_clear(store);
    wr_cache_store_free(store);
    scripted_redis_end(&redis);
    CHECK(strstr(redis.seen, "SCAN\r\n$1\r\n0\r\n$5\r\nMATCH\r\n$4\r\na\\**\r\n$5\r\nCOUNT"));
    CHECK(strstr(redis.seen, "SCAN\r\n$2\r\n17\r\n"));
    CHECK(strstr(redis.seen, "SCAN\r\n$1\r\n5\r\n"));
    for (size_t i = 0; i < WR_ARRAY_SIZE(removed); i++)
        CHECK(strstr(redis.seen, removed[i]));
}

TEST(clearing_leaves_keys_that_are_not_the_caches)
{
    static const char *const answers[] = {"*2\r\n$1\r\n0\r\n*6\r\n$9\r\na*session\r\n" KEY_OF(
                                              "g") "$67\r\na*" DIGITS_63 "00\r\n$66\r\nb*" DIGITS_63
                                                   "0\r\n:7\r\n" KEY_OF("f"),
                                          ":1\r\n", NULL};
    struct scripted_redis redis;
    scripted_redis_start(&redis, answers);
    struct wr_cache_store *store = make(&redis, "a*");
    store_clear(store);
    wr_cache_store_free(store);
    scripted_redis_end(&redis);
    const char *first = strstr(redis.seen, "UNLINK");
    CHECK(first && strstr(first, KEY_OF("f")) && !strstr(first + 1, "UNLINK"));
}

TEST(an_answer_to_scan_that_is_none_is_an_error)
{
    static const char *const answers[] = {"*1\r\n$1\r\n0\r\n", NULL};
    struct scripted_redis redis;
    struct wr_error err = {0};
    scripted_redis_start(&redis, answers);
    struct wr_cache_store *store = make(&redis, NULL);
    CHECK_INT(wr_cache_store_ops(store)->clear(wr_cache_store_self(store), &err),
              -WR_E_UNAVAILABLE);
    wr_cache_store_free(store);
    scripted_redis_end(&redis);
}

TEST(it_connects_when_it_is_used_and_not_before)
{
    struct wr_error err = {0};
    char prefix[129];
    wr_cache_store_free(wr_cache_redis("redis://127.0.0.1:1", NULL, &err));
    CHECK_INT(err.code, 0);
    CHECK(!wr_cache_redis("http://127.0.0.1", NULL, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(!wr_cache_redis(NULL, NULL, &err));
    CHECK(!wr_cache_redis("redis://h", "", &err));
    memset(prefix, 'x', sizeof prefix - 1);
    prefix[128] = '\0';
    CHECK(!wr_cache_redis("redis://h", prefix, &err));
    prefix[127] = '\0';
    wr_cache_store_free(wr_cache_redis("redis://h", prefix, &err));
}
