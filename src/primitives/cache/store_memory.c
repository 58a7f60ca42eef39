#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "primitives/cache/store.h"

#define DEFAULT_ENTRIES 1024
#define DEFAULT_BYTES   (64 * WR_MIB)
#define ENTRIES_MAX     ((size_t)1 << 24)
#define BUCKETS_MAX     ((size_t)1 << 16)

struct entry {
    struct wr_list recent; /* the least recently used first */
    struct entry *next;    /* of its bucket */
    char key[WR_CACHE_KEY_SIZE];
    uint64_t stored_ms, ttl_ms;
    struct wr_cache_text value; /* owned */
};

struct memory {
    size_t max_entries, max_bytes, bucket_count; /* the last a power of two */
    pthread_mutex_t lock;                        /* of what follows */
    struct entry **buckets;
    struct wr_list recent;
    size_t entries, bytes;
};

static size_t size_of(size_t value_len)
{
    return sizeof(struct entry) + value_len + 1;
}

/* Where the pointer to the entry is, or would be. Keys are hashes: their first digits are as good
 * as any. */
static struct entry **slot_of(const struct memory *memory, const char *key)
{
    char digits[9] = {0};

    memcpy(digits, key, sizeof digits - 1);
    size_t bucket = strtoul(digits, NULL, 16) & (memory->bucket_count - 1);
    struct entry **slot = &memory->buckets[bucket];
    while (*slot && !wr_streq((*slot)->key, key))
        slot = &(*slot)->next;
    return slot;
}

static void drop(struct memory *memory, struct entry **slot)
{
    struct entry *entry = *slot;

    *slot = entry->next;
    wr_list_remove(&entry->recent);
    memory->entries--;
    memory->bytes -= size_of(entry->value.len);
    free(entry->value.text);
    free(entry);
}

static void drop_oldest(struct memory *memory)
{
    const struct entry *oldest = wr_list_entry(memory->recent.next, struct entry, recent);

    drop(memory, slot_of(memory, oldest->key));
}

/* A clock that went back makes everything older, not younger. */
static bool is_expired(const struct entry *entry, uint64_t now_ms)
{
    return now_ms < entry->stored_ms || now_ms - entry->stored_ms >= entry->ttl_ms;
}

static int copy_text(const struct wr_cache_text *text, struct wr_cache_text *ret,
                     struct wr_error *err)
{
    char *copy = malloc(text->len + 1);

    if (!copy)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
    memcpy(copy, text->text, text->len);
    copy[text->len] = '\0';
    *ret = (struct wr_cache_text){.text = copy, .len = text->len};
    return 0;
}

static int memory_get(void *self, const char *key, uint64_t now_ms, struct wr_cache_text *ret,
                      struct wr_error *err)
{
    struct memory *memory = self;
    int r = WR_CACHE_MISS;

    (void)pthread_mutex_lock(&memory->lock);
    struct entry **slot = slot_of(memory, key);
    struct entry *entry = *slot;
    if (entry && is_expired(entry, now_ms)) {
        drop(memory, slot);
        r = WR_CACHE_EXPIRED;
    } else if (entry) {
        wr_list_remove(&entry->recent);
        wr_list_append(&memory->recent, &entry->recent);
        r = copy_text(&entry->value, ret, err);
        if (r == 0)
            r = WR_CACHE_HIT;
    }
    (void)pthread_mutex_unlock(&memory->lock);
    return r;
}

static int memory_put(void *self, const char *key, const struct wr_cache_text *value,
                      uint64_t now_ms, uint64_t ttl_ms, struct wr_error *err)
{
    struct memory *memory = self;

    if (size_of(value->len) > memory->max_bytes)
        return 0;
    wr_auto_free struct entry *entry = wr_calloc(1, sizeof *entry);
    if (!entry)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
    entry->stored_ms = now_ms;
    entry->ttl_ms = ttl_ms;
    memcpy(entry->key, key, sizeof entry->key);
    int r = copy_text(value, &entry->value, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&memory->lock);
    struct entry **slot = slot_of(memory, key);
    if (*slot)
        drop(memory, slot);
    while (memory->entries >= memory->max_entries ||
           memory->bytes + size_of(value->len) > memory->max_bytes)
        drop_oldest(memory);
    slot = slot_of(memory, key); /* dropping may have moved it */
    memory->entries++;
    memory->bytes += size_of(value->len);
    wr_list_append(&memory->recent, &entry->recent);
    *slot = wr_steal_ptr(&entry);
    (void)pthread_mutex_unlock(&memory->lock);
    return 0;
}

static int memory_clear(void *self, struct wr_error *err)
{
    struct memory *memory = self;

    (void)err;
    (void)pthread_mutex_lock(&memory->lock);
    while (memory->entries > 0)
        drop_oldest(memory);
    (void)pthread_mutex_unlock(&memory->lock);
    return 0;
}

static int memory_count(void *self, uint64_t *ret, struct wr_error *err)
{
    struct memory *memory = self;

    (void)err;
    (void)pthread_mutex_lock(&memory->lock);
    *ret = memory->entries;
    (void)pthread_mutex_unlock(&memory->lock);
    return 0;
}

static void memory_free(void *self)
{
    struct memory *memory = self;

    while (memory->entries > 0)
        drop_oldest(memory);
    (void)pthread_mutex_destroy(&memory->lock);
    free(memory->buckets);
    free(memory);
}

static const struct wr_cache_store_ops memory_ops = {
    .name = "memory",
    .get = memory_get,
    .put = memory_put,
    .clear = memory_clear,
    .count = memory_count,
    .free = memory_free,
};

struct wr_cache_store *wr_cache_memory(size_t max_entries, size_t max_bytes, struct wr_error *err)
{
    struct wr_cache_store *store = NULL;
    struct memory *memory = NULL;

    if (max_entries > ENTRIES_MAX) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_entries: %zu is above %zu", max_entries,
                      ENTRIES_MAX);
        return NULL;
    }
    memory = wr_calloc(1, sizeof *memory);
    if (!memory) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
        return NULL;
    }
    memory->max_entries = max_entries ? max_entries : DEFAULT_ENTRIES;
    memory->max_bytes = max_bytes ? max_bytes : DEFAULT_BYTES;
    wr_list_init(&memory->recent);
    (void)pthread_mutex_init(&memory->lock, NULL);
    memory->bucket_count = 1;
    while (memory->bucket_count < WR_MIN(memory->max_entries, BUCKETS_MAX))
        memory->bucket_count *= 2;
    memory->buckets = wr_calloc(memory->bucket_count, sizeof(struct entry *));
    if (!memory->buckets)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
    else
        store = wr_cache_store_make(&memory_ops, memory, err);
    if (!store)
        memory_free(memory);
    return store;
}
