/*
 * Look; if it is not there, either wait for the execution with the same key that is going on, or
 * lead one: run, keep, and hand the result to those who wait. A store that fails is a miss.
 */
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "json/value.h"
#include "primitives/cache/cache_key.h"
#include "primitives/cache/cached_value.h"
#include "primitives/cache/flight.h"
#include "primitives/cache/replay.h"
#include "primitives/core/clock.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"
#include "primitives/recover/outcome.h"

#define NAME           "CachePrimitive"
#define DEFAULT_TTL_MS ((uint64_t)3600 * 1000)
#define TTL_MAX_MS     ((uint64_t)10 * 366 * 24 * 3600 * 1000)
#define LOGGED_KEY     50 /* characters */

struct cache {
    struct wr_primitive *inner;
    struct wr_cache_store *store;
    const struct wr_cache_store_ops *ops; /* of the store */
    struct wr_flights *flights;
    const struct wr_clock *clock; /* NULL: the system's */
    uint64_t ttl_ms;
    wr_cache_key_fn key;
    void *key_data;
    char *scope; /* owned */
    atomic_uint_least64_t hits, misses, expirations, stores, shared, errors;
};

/* One execution. */
struct run {
    struct cache *cache;
    const struct wr_value *input;
    struct wr_workflow *workflow;
    char key[WR_CACHE_KEY_SIZE];
};

static uint64_t now_of(const struct cache *cache)
{
    if (cache->ops->wall_time && !cache->clock)
        return wr_wall_ms();
    return wr_clock_now_ms(wr_clock_or_system(cache->clock));
}

static void log_key(const struct run *run, const char *event)
{
    wr_telemetry_log(run->workflow, "debug", event, NAME,
                     json_pack("{s:s%, s:s}", "key", run->key, (size_t)LOGGED_KEY, "store",
                               run->cache->ops->name));
}

static void count_error(const struct run *run, const struct wr_error *error)
{
    atomic_fetch_add(&run->cache->errors, 1);
    wr_telemetry_log(run->workflow, "warning", "cache_error", NAME,
                     json_pack("{s:s, s:o}", "store", run->cache->ops->name, "error",
                               wr_error_text(error->msg)));
}

/* Whether it was there. */
static bool look_up(const struct run *run, struct wr_value **ret)
{
    struct cache *cache = run->cache;
    struct wr_cache_text text = {0};
    struct wr_error err = {0};

    int r =
        cache->ops->get(wr_cache_store_self(cache->store), run->key, now_of(cache), &text, &err);
    if (r == WR_CACHE_EXPIRED)
        atomic_fetch_add(&cache->expirations, 1);
    if (r == WR_CACHE_HIT) {
        r = wr_cached_value_read(&text, ret, &err);
        free(text.text);
        if (r == 0)
            return true;
    }
    if (r < 0)
        count_error(run, &err);
    return false;
}

static void keep(const struct run *run, const struct wr_value *value)
{
    struct cache *cache = run->cache;
    struct wr_cache_text text = {0};
    struct wr_error err = {0};

    if (wr_result_failed(value) || !wr_cached_value_write(value, &text))
        return;
    int r = cache->ops->put(wr_cache_store_self(cache->store), run->key, &text, now_of(cache),
                            cache->ttl_ms, &err);
    free(text.text);
    if (r < 0) {
        count_error(run, &err);
        return;
    }
    atomic_fetch_add(&cache->stores, 1);
    log_key(run, "cache_store");
}

static int give_hit(const struct run *run, struct wr_value *value, struct wr_value **ret,
                    struct wr_error *err)
{
    atomic_fetch_add(&run->cache->hits, 1);
    wr_workflow_count(run->workflow, "cache_hits");
    wr_metric_add(wr_workflow_telemetry(run->workflow), WR_METRIC_CACHE_HITS, NULL, 1);
    log_key(run, "cache_hit");
    int r = wr_cache_replay(value, run->workflow, err);
    if (r == 0)
        *ret = value;
    else
        wr_value_free(value);
    return r;
}

static int run_inner(const struct run *run, struct wr_value **ret, struct wr_error *err)
{
    atomic_fetch_add(&run->cache->misses, 1);
    wr_workflow_count(run->workflow, "cache_misses");
    wr_metric_add(wr_workflow_telemetry(run->workflow), WR_METRIC_CACHE_MISSES, NULL, 1);
    log_key(run, "cache_miss");
    int r = wr_primitive_execute(run->cache->inner, run->input, run->workflow, ret, err);
    if (r == 0)
        keep(run, *ret);
    return r;
}

/* `look_again`: somebody else with that key may have landed since the last look. */
static int lead(const struct run *run, struct wr_flight *flight, bool look_again,
                struct wr_value **ret, struct wr_error *err)
{
    struct wr_value *value = NULL;
    struct wr_error failure = {0}, ignored = {0};
    bool hit = look_again && look_up(run, &value);
    int r = hit ? 0 : run_inner(run, &value, &failure);
    /* That one caller's time is over, or it does not want the result any more, is no result for
     * the others. */
    bool gave_up =
        r < 0 && (failure.code == WR_E_CANCELED || wr_workflow_check(run->workflow, &ignored) < 0);

    wr_flight_land(run->cache->flights, flight,
                   &(struct wr_flight_end){
                       .gave_up = gave_up, .value = value, .error = r < 0 ? &failure : NULL});
    if (hit)
        return give_hit(run, value, ret, err);
    if (r == 0)
        *ret = value;
    else
        *err = failure;
    return r;
}

/* Nothing was executed for it, as for a hit: who counts what is used must see that. */
static struct wr_value *mark_cached(const struct wr_value *value)
{
    json_t *json = wr_value_json(value);

    if (!json_is_object(json))
        return wr_value_of_json(json_incref(json));
    json_t *marked = json_copy(json);
    if (marked && json_object_set_new(marked, "cached", json_true()) < 0) {
        json_decref(marked);
        return NULL;
    }
    return wr_value_of_json(marked);
}

/* As wr_flight_wait(). */
static int share(const struct run *run, struct wr_flight *flight, struct wr_value **ret,
                 struct wr_error *err)
{
    wr_auto_value *value = NULL;

    int r = wr_flight_wait(run->cache->flights, flight, run->workflow, &value, err);
    if (r > 0)
        return r;
    atomic_fetch_add(&run->cache->shared, 1);
    log_key(run, "cache_shared");
    if (r == 0)
        r = wr_cache_replay(value, run->workflow, err);
    if (r < 0)
        return r;
    struct wr_value *marked = mark_cached(value);
    if (!marked)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
    *ret = marked;
    return 0;
}

static int run_cached(const struct run *run, struct wr_value **ret, struct wr_error *err)
{
    struct wr_flights *flights = run->cache->flights;

    /* Again only after a leader has given up, and as long as there is time. */
    for (;;) {
        uint64_t landed = wr_flights_landed(flights);
        struct wr_value *value = NULL;
        struct wr_flight *flight = NULL;
        if (look_up(run, &value))
            return give_hit(run, value, ret, err);
        int r = wr_flight_join(flights, run->key, &flight, err);
        if (r < 0)
            return r;
        if (r == WR_FLIGHT_LEADER)
            return lead(run, flight, wr_flights_landed(flights) != landed, ret, err);
        r = share(run, flight, ret, err);
        if (r <= 0)
            return r;
    }
}

/* 0; 1: this input is not cached; or an error. */
static int make_key(struct run *run, struct wr_error *err)
{
    const struct cache *cache = run->cache;
    const struct wr_cache_key_base base = {.inner_scope = wr_primitive_scope(cache->inner),
                                           .scope = cache->scope};

    if (!cache->key)
        return wr_cache_key_of_input(&base, run->input, run->key, err);
    wr_auto_free char *text = cache->key(run->input, run->workflow, cache->key_data);
    if (!text)
        return 1;
    wr_cache_key_of_text(&base, text, run->key);
    return 0;
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct run run = {.cache = self, .input = input, .workflow = workflow};

    int r = make_key(&run, err);
    if (r < 0)
        return r;
    if (r > 0)
        return wr_primitive_execute(run.cache->inner, input, workflow, ret, err);
    return run_cached(&run, ret, err);
}

static json_t *size_of(struct cache *cache)
{
    struct wr_error ignored = {0};
    uint64_t count = 0;

    if (!cache->ops->count ||
        cache->ops->count(wr_cache_store_self(cache->store), &count, &ignored) < 0)
        return json_null();
    return json_integer((json_int_t)count);
}

static struct wr_value *stats(void *self)
{
    struct cache *cache = self;
    uint64_t hits = atomic_load(&cache->hits), misses = atomic_load(&cache->misses);
    double rate = hits + misses ? 100.0 * (double)hits / (double)(hits + misses) : 0;

    return wr_value_of_json(json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "size", size_of(cache), "hits",
        (json_int_t)hits, "misses", (json_int_t)misses, "expirations",
        (json_int_t)atomic_load(&cache->expirations), "stores",
        (json_int_t)atomic_load(&cache->stores), "shared", (json_int_t)atomic_load(&cache->shared),
        "errors", (json_int_t)atomic_load(&cache->errors), "hit_rate", round(rate * 100) / 100));
}

static void cache_free(void *self)
{
    struct cache *cache = self;

    wr_primitive_free(cache->inner);
    wr_cache_store_free(cache->store);
    wr_flights_free(cache->flights);
    free(cache->scope);
    free(cache);
}

static const struct wr_primitive_ops cache_ops = {
    .struct_size = sizeof cache_ops, .execute = execute, .stats = stats, .free = cache_free};

int wr_cache_clear(struct wr_primitive *primitive, struct wr_error *err)
{
    struct cache *cache = wr_primitive_self(primitive, &cache_ops);

    if (!cache)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the primitive is no cache");
    return cache->ops->clear(wr_cache_store_self(cache->store), err);
}

/* `store` is the new cache's from here on. */
static int fill(struct cache *cache, const struct wr_cache_opts *opts, struct wr_cache_store *store,
                struct wr_error *err)
{
    cache->store = store ? store : wr_cache_memory(0, 0, err);
    if (!cache->store)
        return -err->code;
    cache->flights = wr_flights_new(err);
    if (!cache->flights)
        return -err->code;
    cache->scope = wr_strdup(opts->scope ? opts->scope : "");
    if (!cache->scope)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
    cache->ops = wr_cache_store_ops(cache->store);
    cache->clock = opts->clock;
    cache->ttl_ms = opts->ttl_ms ? opts->ttl_ms : DEFAULT_TTL_MS;
    cache->key = opts->key;
    cache->key_data = opts->key_data;
    if (cache->ttl_ms > TTL_MAX_MS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "ttl_ms is longer than ten years");
    return 0;
}

static struct wr_primitive *make(struct wr_primitive *inner, const struct wr_cache_opts *opts,
                                 struct wr_cache_store *store, struct wr_error *err)
{
    struct cache *cache = wr_calloc(1, sizeof *cache);
    struct wr_primitive *primitive = NULL;

    if (!cache) {
        wr_cache_store_free(store);
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
        return NULL;
    }
    if (fill(cache, opts, store, err) == 0)
        primitive = wr_primitive_make(
            &(struct wr_primitive_spec){
                .name = NAME, .ops = &cache_ops, .self = cache, .scope = wr_primitive_scope(inner)},
            err);
    if (primitive)
        cache->inner = inner;
    else
        cache_free(cache);
    return primitive;
}

/* The store of options that were refused: they may be older or newer, but it stands first. */
static struct wr_cache_store *store_of(const struct wr_cache_opts *given)
{
    size_t needed = offsetof(struct wr_cache_opts, store) + sizeof given->store;

    return given && given->struct_size >= needed ? given->store : NULL;
}

struct wr_primitive *wr_cache_new(struct wr_primitive *inner, const struct wr_cache_opts *given,
                                  struct wr_error *err)
{
    wr_auto_primitive *held = inner;
    struct wr_cache_store *store = store_of(given);
    struct wr_cache_opts opts;

    if (!inner || wr_options_read(given, &opts, sizeof opts, "wr_cache_opts", err) < 0) {
        wr_cache_store_free(store);
        return NULL;
    }
    struct wr_primitive *primitive = make(inner, &opts, store, err);
    if (primitive)
        wr_steal_ptr(&held);
    return primitive;
}
