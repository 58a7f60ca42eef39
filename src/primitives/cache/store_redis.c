#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "primitives/cache/redis_link.h"
#include "primitives/cache/store.h"

#define DEFAULT_PREFIX "warren:"
#define PREFIX_MAX     128 /* bytes, with NUL */
#define SCAN_COUNT     "500"
#define CLEAR_MS       30000 /* for all pages together */

struct redis {
    char prefix[PREFIX_MAX];
    pthread_mutex_t lock; /* of `busy` */
    pthread_cond_t left;  /* nobody is; waits by CLOCK_MONOTONIC */
    bool busy;            /* somebody uses the link */
    struct wr_redis_link link;
};

/* Behind others that wait for a slow Redis no longer than for the Redis itself. */
static int take_link(struct redis *redis, struct wr_error *err)
{
    struct timespec until = {0};
    int r = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WR_REDIS_CALL_MS / 1000;
    (void)pthread_mutex_lock(&redis->lock);
    while (redis->busy && r == 0)
        r = pthread_cond_timedwait(&redis->left, &redis->lock, &until);
    bool taken = !redis->busy;
    redis->busy = true;
    (void)pthread_mutex_unlock(&redis->lock);
    return taken ? 0 : wr_fail(err, WR_E_UNAVAILABLE, 0, "Redis is too slow for what it is asked");
}

static int call(struct redis *redis, const struct wr_redis_command *command, redisReply **ret,
                struct wr_error *err)
{
    int r = take_link(redis, err);
    if (r < 0)
        return r;
    r = wr_redis_call(&redis->link, command, ret, err);
    (void)pthread_mutex_lock(&redis->lock);
    redis->busy = false;
    (void)pthread_cond_signal(&redis->left);
    (void)pthread_mutex_unlock(&redis->lock);
    return r;
}

#define FULL_KEY_SIZE (PREFIX_MAX + WR_CACHE_KEY_SIZE)

static void full_key(const struct redis *redis, const char *key, char ret[static FULL_KEY_SIZE])
{
    (void)snprintf(ret, FULL_KEY_SIZE, "%s%s", redis->prefix, key);
}

/* The text of an answer; what is not text, or empty, is nothing: GETRANGE gives "" for what is not
 * there. */
static int take_text(const redisReply *reply, struct wr_cache_text *ret, struct wr_error *err)
{
    if (reply->type != REDIS_REPLY_STRING || reply->len == 0)
        return WR_CACHE_MISS;
    size_t len = (size_t)reply->len;
    char *text = wr_strndup(reply->str, len);
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
    *ret = (struct wr_cache_text){.text = text, .len = strlen(text)};
    return WR_CACHE_HIT;
}

/* GETRANGE and not GET: what somebody else put under our key may be of any size. */
static int redis_get(void *self, const char *key, uint64_t now_ms, struct wr_cache_text *ret,
                     struct wr_error *err)
{
    struct redis *redis = self;
    redisReply *reply = NULL;
    char name[FULL_KEY_SIZE], last[24];

    (void)now_ms;
    full_key(redis, key, name);
    (void)snprintf(last, sizeof last, "%zu", WR_CACHE_VALUE_MAX - 1);
    int r = call(redis, WR_REDIS_WORDS("GETRANGE", name, "0", last), &reply, err);
    if (r < 0)
        return r;
    r = take_text(reply, ret, err);
    freeReplyObject(reply);
    return r;
}

static int redis_put(void *self, const char *key, const struct wr_cache_text *value,
                     uint64_t now_ms, uint64_t ttl_ms, struct wr_error *err)
{
    struct redis *redis = self;
    redisReply *reply = NULL;
    char name[FULL_KEY_SIZE], ttl[24];

    (void)now_ms;
    full_key(redis, key, name);
    (void)snprintf(ttl, sizeof ttl, "%llu", (unsigned long long)ttl_ms);
    const char *const words[] = {"SET", name, value->text, "PX", ttl};
    const size_t lens[] = {3, strlen(name), value->len, 2, strlen(ttl)};
    const struct wr_redis_command command = {words, lens, WR_ARRAY_SIZE(words)};
    int r = call(redis, &command, &reply, err);
    if (r == 0)
        freeReplyObject(reply);
    return r;
}

/* A pattern of MATCH for the prefix itself. */
static void pattern_of(const char *prefix, char ret[static 2 * PREFIX_MAX + 1])
{
    size_t used = 0;

    for (; *prefix; prefix++) {
        if (strchr("*?[]\\^-", *prefix))
            ret[used++] = '\\';
        ret[used++] = *prefix;
    }
    ret[used++] = '*';
    ret[used] = '\0';
}

/* Others may have keys with our prefix; those are not ours to remove. */
static bool is_ours(const struct redis *redis, const redisReply *key)
{
    size_t prefix_len = strlen(redis->prefix);

    if (key->type != REDIS_REPLY_STRING || (size_t)key->len != prefix_len + WR_CACHE_KEY_SIZE - 1 ||
        memcmp(key->str, redis->prefix, prefix_len) != 0)
        return false;
    for (const char *digit = key->str + prefix_len; *digit; digit++)
        if (wr_hex_value(*digit) < 0)
            return false;
    /* A NUL within it has ended the loop before its end. */
    return strlen(key->str) == (size_t)key->len;
}

static int unlink_keys(struct redis *redis, const redisReply *keys, struct wr_error *err)
{
    int r = 0;

    for (size_t i = 0; i < keys->elements && r == 0; i++) {
        const redisReply *key = keys->element[i];
        redisReply *reply = NULL;
        if (!is_ours(redis, key))
            continue;
        r = call(redis, WR_REDIS_WORDS("UNLINK", key->str), &reply, err);
        if (r == 0)
            freeReplyObject(reply);
    }
    return r;
}

/* One page of SCAN; `cursor` becomes the next one's. */
static int clear_page(struct redis *redis, const char *pattern, char cursor[static 24],
                      struct wr_error *err)
{
    redisReply *reply = NULL;
    int r = call(redis, WR_REDIS_WORDS("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT),
                 &reply, err);

    if (r < 0)
        return r;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY ||
        snprintf(cursor, 24, "%s", reply->element[0]->str) >= 24)
        r = wr_fail(err, WR_E_UNAVAILABLE, 0, "the answer of Redis to SCAN is not understood");
    else
        r = unlink_keys(redis, reply->element[1], err);
    freeReplyObject(reply);
    return r;
}

static int redis_clear(void *self, struct wr_error *err)
{
    struct redis *redis = self;
    uint64_t end_ms = wr_mono_ms() + CLEAR_MS;
    char pattern[2 * PREFIX_MAX + 1], cursor[24] = "0";

    pattern_of(redis->prefix, pattern);
    do {
        int r = clear_page(redis, pattern, cursor, err);
        if (r < 0)
            return r;
        if (wr_mono_ms() >= end_ms)
            return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                           "Redis was not cleared within %d s; some of it is", CLEAR_MS / 1000);
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

static void redis_free(void *self)
{
    struct redis *redis = self;

    wr_redis_link_done(&redis->link);
    (void)pthread_cond_destroy(&redis->left);
    (void)pthread_mutex_destroy(&redis->lock);
    free(redis);
}

static const struct wr_cache_store_ops redis_ops = {
    .name = "redis",
    .get = redis_get,
    .put = redis_put,
    .clear = redis_clear,
    .free = redis_free,
};

static int fill(struct redis *redis, const char *url, const char *prefix, struct wr_error *err)
{
    if (!url)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a cache in Redis needs its URL");
    int r = wr_redis_url_parse(url, &redis->link.target, err);
    if (r < 0)
        return r;
    size_t len = strlen(prefix);
    if (len == 0 || len >= sizeof redis->prefix)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the prefix of a cache in Redis has 1 to %d "
                       "bytes",
                       PREFIX_MAX - 1);
    memcpy(redis->prefix, prefix, len);
    return 0;
}

struct wr_cache_store *wr_cache_redis(const char *url, const char *prefix, struct wr_error *err)
{
    struct wr_cache_store *store = NULL;
    struct redis *redis = wr_calloc(1, sizeof *redis);
    pthread_condattr_t attr;

    if (!redis || pthread_condattr_init(&attr) != 0) {
        free(redis);
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
        return NULL;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&redis->left, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&redis->lock, NULL);
    wr_redis_link_init(&redis->link);
    if (fill(redis, url, prefix ? prefix : DEFAULT_PREFIX, err) == 0)
        store = wr_cache_store_make(&redis_ops, redis, err);
    if (!store)
        redis_free(redis);
    return store;
}
