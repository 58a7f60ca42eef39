/* Keys, budgets, the cache of keys, and the first key; requests with keys are in test_auth_http.c.
 */
#include "base/encode.h"
#include "base/sha256.h"
#include "base/str.h"
#include "server/auth/auth.h"
#include "server/auth/bucket.h"
#include "server/auth/cache.h"
#include "server/auth/key.h"
#include "store_fixture.h"
#include "test.h"

/* ---- keys ---- */

static bool hashes(const char *text)
{
    uint8_t hash[32];

    return wr_key_hash(text, strlen(text), hash);
}

TEST(the_form_of_a_key)
{
    char longest[WR_KEY_HEX_MAX + 8] = "e2b_", longer[WR_KEY_HEX_MAX + 8] = "e2b_";

    memset(longest + 4, 'a', WR_KEY_HEX_MAX);
    memset(longer + 4, 'a', WR_KEY_HEX_MAX + 2);
    CHECK(hashes("e2b_00") && hashes("e2b_00112233445566778899aabbccddeeff") && hashes(longest));
    CHECK(!hashes("") && !hashes("e2b_") && !hashes("e2b_0") && !hashes("e2b_000"));
    CHECK(!hashes("e2b_0g") && !hashes("e2b_00 ") && !hashes(" e2b_00") && !hashes("E2B_00"));
    CHECK(!hashes("sk_e2b_00") && !hashes("0011") && !hashes(longer));
}

TEST(a_key_is_stored_as_the_hash_of_its_bytes)
{
    uint8_t hash[32];
    char hex[65], expected[65];

    CHECK(wr_key_hash("e2b_00ff10", 10, hash));
    wr_hex_encode(hash, sizeof hash, hex);
    wr_sha256_hex("\x00\xff\x10", 3, expected);
    CHECK_STR(hex, expected);
}

TEST(new_keys)
{
    char text[WR_KEY_TEXT_LEN + 1], other[WR_KEY_TEXT_LEN + 1];
    struct wr_api_key key, second;
    uint8_t hash[32];

    wr_key_new(text, &key);
    wr_key_new(other, &second);
    CHECK_INT(strlen(text), WR_KEY_TEXT_LEN);
    CHECK(wr_str_only(text + 4, "0123456789abcdef", 40, 40) && !wr_streq(text, other));
    CHECK(wr_key_hash(text, strlen(text), hash) && memcmp(hash, key.hash, sizeof hash) == 0);
    CHECK(memcmp(key.mask_prefix, text + 4, 2) == 0 && strlen(key.mask_prefix) == 2);
    CHECK_STR(key.mask_suffix, text + WR_KEY_TEXT_LEN - 4);
    CHECK_INT(key.value_len, 40);
    CHECK(wr_uuid_valid(key.id) && key.created_ms > 0);
}

TEST(the_first_key_is_made_once)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    char text[WR_KEY_TEXT_LEN + 1] = "", again[WR_KEY_TEXT_LEN + 1] = "";
    struct wr_api_key key;
    struct wr_team team;
    uint8_t hash[32];

    CHECK_INT(wr_auth_first_key(f.store, text, &err), 1);
    CHECK(wr_key_hash(text, strlen(text), hash));
    CHECK_INT(wr_store_key_find(f.store, hash, &key, &err), 0);
    CHECK_STR(key.name, "first key");
    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    CHECK_STR(key.team_id, team.id);
    CHECK_INT(wr_auth_first_key(f.store, again, &err), 0);
    CHECK_STR(again, "");
    store_stop(&f);
}

/* ---- budgets ---- */

TEST(a_bucket_gives_its_rate)
{
    struct wr_bucket bucket = {0};
    uint64_t now_us = 5000000, wait_ms = 0;

    for (unsigned i = 0; i < 10; i++)
        CHECK(wr_bucket_take(&bucket, 10, now_us, &wait_ms));
    CHECK(!wr_bucket_take(&bucket, 10, now_us, &wait_ms));
    CHECK_INT(wait_ms, 100);
    /* What was refused costs nothing. */
    CHECK(!wr_bucket_take(&bucket, 10, now_us + 99999, &wait_ms));
    CHECK_INT(wait_ms, 1);
    CHECK(wr_bucket_take(&bucket, 10, now_us + 100000, &wait_ms));
    CHECK(!wr_bucket_take(&bucket, 10, now_us + 100000, &wait_ms));
    /* Not more than a second's worth is saved up. */
    unsigned taken = 0;
    while (wr_bucket_take(&bucket, 10, now_us + 60000000, &wait_ms))
        taken++;
    CHECK_INT(taken, 10);
}

TEST(many_are_taken_at_once)
{
    struct wr_bucket bucket = {0};
    uint64_t wait_ms = 0;

    /* More than there ever are: what is missing is waited for afterwards. */
    CHECK(wr_bucket_take_many(&bucket, 5, 2, 1000000, &wait_ms));
    CHECK(!wr_bucket_take(&bucket, 2, 2000000, &wait_ms));
    CHECK(!wr_bucket_take_many(&bucket, 2, 2, 2999999, &wait_ms));
    CHECK(wr_bucket_take_many(&bucket, 1, 2, 3000000, &wait_ms));
    CHECK(wr_bucket_take_many(&bucket, 1000, 0, 3000000, &wait_ms));
}

TEST(a_bucket_without_a_limit)
{
    struct wr_bucket bucket = {0};
    uint64_t wait_ms = 0;

    for (unsigned i = 0; i < 100000; i++)
        CHECK(wr_bucket_take(&bucket, 0, 1, &wait_ms));
    CHECK(wr_bucket_take(&bucket, 1, 1, &wait_ms));
    CHECK(!wr_bucket_take(&bucket, 1, 1, &wait_ms));
    CHECK_INT(wait_ms, 1000);
}

/* ---- cache ---- */

static void hash_of(unsigned number, uint8_t hash[static 32])
{
    struct wr_sha256 h;

    wr_sha256_init(&h);
    wr_sha256_update(&h, &number, sizeof number);
    wr_sha256_final(&h, hash);
}

static bool cached(struct wr_key_cache *cache, unsigned number, uint64_t now_ms)
{
    uint8_t hash[32];

    hash_of(number, hash);
    return wr_key_cache_find(cache, hash, now_ms) != NULL;
}

static void add(struct wr_key_cache *cache, unsigned number, bool known, uint64_t now_ms)
{
    struct wr_principal who = {0};
    uint8_t hash[32];

    hash_of(number, hash);
    CHECK(wr_strformat(who.key_id, sizeof who.key_id, "%u", number));
    CHECK(wr_key_cache_add(cache, hash, known ? &who : NULL, now_ms));
}

TEST(the_cache_is_bounded)
{
    struct wr_key_cache *cache = wr_key_cache_new();

    CHECK(cache);
    add(cache, 0, true, 1);
    add(cache, 1, true, 1);
    for (unsigned i = 2; i < WR_KEY_CACHE_MAX; i++)
        add(cache, i, true, 1);
    CHECK(cached(cache, 0, 1)); /* used: now 1 is the oldest */
    add(cache, WR_KEY_CACHE_MAX, true, 1);
    CHECK(cached(cache, 0, 1) && !cached(cache, 1, 1) && cached(cache, 2, 1));
    CHECK(cached(cache, WR_KEY_CACHE_MAX, 1));

    /* Guesses push out guesses only. */
    for (unsigned i = 0; i < 10 * WR_KEY_CACHE_MAX_BAD; i++)
        add(cache, 100000 + i, false, 1);
    CHECK(cached(cache, 0, 1) && cached(cache, 2, 1));
    CHECK(!cached(cache, 100000, 1) && cached(cache, 100000 + 10 * WR_KEY_CACHE_MAX_BAD - 1, 1));
    wr_key_cache_free(cache);
}

TEST(what_is_no_key_is_forgotten)
{
    struct wr_key_cache *cache = wr_key_cache_new();

    CHECK(cache);
    add(cache, 1, false, 1000);
    add(cache, 2, true, 1000);
    CHECK(cached(cache, 1, 1000 + WR_KEY_CACHE_BAD_TTL_MS));
    CHECK(!cached(cache, 1, 1001 + WR_KEY_CACHE_BAD_TTL_MS));
    CHECK(cached(cache, 2, 1000000));
    add(cache, 1, false, 2000);
    wr_key_cache_drop_bad(cache);
    CHECK(!cached(cache, 1, 2000) && cached(cache, 2, 2000));

    CHECK(wr_key_cache_find_id(cache, "2") && !wr_key_cache_find_id(cache, "1"));
    wr_key_cache_remove(cache, wr_key_cache_find_id(cache, "2"));
    CHECK(!cached(cache, 2, 2000));
    wr_key_cache_remove(cache, NULL);
    wr_key_cache_free(cache);
}
