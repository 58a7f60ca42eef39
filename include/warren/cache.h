/** @file
 * Results that were there before.
 *
 * The key is the SHA-256 of what decides the result: all of the input (code, language, env,
 * timeout, files, install), and the backend, template and defaults of the executor inside; or of
 * what the caller's function makes. Failures are not kept: neither errors nor results whose
 * `success` is false. Concurrent executions with one key run once.
 */
#pragma once

#include "warren/recovery.h"

WR_BEGIN_DECLS

struct wr_cache_store;

/** In memory, the least recently used go first. 0: 1,024 entries, 64 MiB. */
WR_PUBLIC struct wr_cache_store *wr_cache_memory(size_t max_entries, size_t max_bytes,
                                                 struct wr_error *err);
/** In an SQLite file that several processes may share. `max_bytes` 0: 256 MiB. A file that cannot
 * be opened is an error here; one that fails later is a miss and is counted. */
WR_PUBLIC struct wr_cache_store *wr_cache_sqlite(const char *path, size_t max_bytes,
                                                 struct wr_error *err);
/** In Redis: "redis://[user:password@]host[:6379][/db]" or "unix://[user:password@]/path[?db=0]",
 * percent-encoded. `prefix` NULL: "warren:". Connects when first used. A Redis that fails, or does
 * not answer within a second, is a miss and is counted; it is no error. Other keys with the prefix
 * are left alone. */
WR_PUBLIC struct wr_cache_store *wr_cache_redis(const char *url, const char *prefix,
                                                struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_cache_store *wr_cache_store_ref(struct wr_cache_store *store);
/** Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_cache_store *wr_cache_store_free(struct wr_cache_store *store);

/** The key of an input, text to free with wr_free(); NULL: this input is not cached. Any thread. */
typedef char *(*wr_cache_key_fn)(const struct wr_value *input, struct wr_workflow *workflow,
                                 void *data);

/** Options of wr_cache_new(). Text is copied. */
struct wr_cache_opts {
    size_t struct_size;
    struct wr_cache_store *store; /**< consumed, also on failure; NULL: wr_cache_memory(0, 0) */
    uint64_t ttl_ms;              /**< 0: 3,600,000 */
    wr_cache_key_fn key;          /**< NULL: as above. What it returns is hashed */
    void *key_data;
    const char *scope; /**< part of every key: what else decides the result; NULL: "" */
    const struct wr_clock *clock;
};
/** Output as of `inner`, with `cached` true when nothing was executed for it: it came from the
 * store, or from another's execution that was going on. The listener of the workflow (`on_event`)
 * hears such a result's output too. Whoever waits for another's execution gets its result or its
 * error; when that one gives up, the next one executes. What is larger than 16 MiB is
 * not kept. Not for executors with a session: what ran before is no part of a key.
 *
 * The workflow's state gets "cache_hits" and "cache_misses". stats: size (null: the store cannot
 * tell), hits, misses, expirations, stores, shared (waited for another's), errors, hit_rate
 * (0-100).
 */
WR_PUBLIC struct wr_primitive *wr_cache_new(struct wr_primitive *inner,
                                            const struct wr_cache_opts *opts, struct wr_error *err);
/** Forgets everything of this cache's store. INVALID_ARGUMENT for a primitive that is no cache. */
WR_PUBLIC int wr_cache_clear(struct wr_primitive *cache, struct wr_error *err);

WR_END_DECLS
