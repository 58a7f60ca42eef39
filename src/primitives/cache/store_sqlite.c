/*
 * One table, and one row with the sum of the sizes, which triggers keep. What is too old goes when
 * somebody meets it, or when something is stored; above the limit the least recently used go. Use
 * is noted at most once a minute per entry, so that a hit is seldom a write.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "primitives/cache/store.h"
#include "primitives/core/database.h"

#define WHAT           "the cache's database"
#define VERSION        1
#define DEFAULT_BYTES  (256 * WR_MIB)
#define LEAST_BYTES    (64 * WR_KIB)
#define ROW_BYTES      256 /* what an entry takes besides its value, about */
#define NOTE_USE_MS    60000
/* An entry from so far in the future was stored while the clock was wrong. */
#define CLOCK_SLACK_MS ((uint64_t)3600 * 1000)
#define EXPIRE_ROWS    64   /* with each entry that comes */
#define EVICT_STEPS    4096 /* of growing size: eight million entries */

static const char schema[] =
    "CREATE TABLE entries (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, size INTEGER NOT "
    "NULL, stored_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL) "
    "STRICT;"
    "CREATE INDEX entries_used ON entries (used_ms);"
    "CREATE INDEX entries_expires ON entries (expires_ms);"
    "CREATE TABLE total (id INTEGER PRIMARY KEY CHECK (id = 1), bytes INTEGER NOT NULL) STRICT;"
    "INSERT INTO total VALUES (1, 0);"
    "CREATE TRIGGER entries_insert AFTER INSERT ON entries BEGIN "
    "UPDATE total SET bytes = bytes + new.size; END;"
    "CREATE TRIGGER entries_delete AFTER DELETE ON entries BEGIN "
    "UPDATE total SET bytes = bytes - old.size; END;";

enum statement {
    GET,
    NOTE_USE,
    REMOVE,
    PUT,
    TOTAL,
    EXPIRE,
    EVICT,
    CLEAR,
    COUNT,
    BEGIN,
    COMMIT,
    ROLLBACK,
    STATEMENTS
};
static const char *const sql[STATEMENTS] = {
    [GET] = "SELECT value, stored_ms, expires_ms, used_ms FROM entries WHERE key = ?1",
    [NOTE_USE] = "UPDATE entries SET used_ms = ?2 WHERE key = ?1",
    [REMOVE] = "DELETE FROM entries WHERE key = ?1",
    [PUT] = "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?4)",
    [TOTAL] = "SELECT bytes FROM total",
    [EXPIRE] = "DELETE FROM entries WHERE key IN "
               "(SELECT key FROM entries WHERE expires_ms <= ?1 LIMIT ?2)",
    [EVICT] = "DELETE FROM entries WHERE key IN "
              "(SELECT key FROM entries ORDER BY used_ms LIMIT ?1)",
    [CLEAR] = "DELETE FROM entries",
    [COUNT] = "SELECT count(*) FROM entries",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

struct file {
    uint64_t max_bytes;
    pthread_mutex_t lock; /* of what follows */
    sqlite3 *db;
    sqlite3_stmt *stmts[STATEMENTS];
};

static void reset(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt); /* repeats the error of the last step */
    (void)sqlite3_clear_bindings(stmt);
}

/* Binds a key (NULL: none) and numbers behind it, and makes the first step. */
static int step(struct file *file, enum statement which, const char *key, const uint64_t *numbers,
                size_t count)
{
    sqlite3_stmt *stmt = file->stmts[which];
    int rc = SQLITE_OK, at = 1;

    if (key)
        rc = sqlite3_bind_text(stmt, at++, key, -1, SQLITE_STATIC);
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(stmt, at++, (sqlite3_int64)WR_MIN(numbers[i], INT64_MAX));
    return rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
}

static int run(struct file *file, enum statement which, const char *key, const uint64_t *numbers,
               size_t count)
{
    int rc = step(file, which, key, numbers, count);

    reset(file->stmts[which]);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int number(struct file *file, enum statement which, uint64_t *ret)
{
    int rc = step(file, which, NULL, NULL, 0);

    if (rc == SQLITE_ROW)
        *ret = (uint64_t)WR_MAX(sqlite3_column_int64(file->stmts[which], 0), 0);
    reset(file->stmts[which]);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int copy_value(sqlite3_stmt *stmt, struct wr_cache_text *ret)
{
    const void *bytes = sqlite3_column_blob(stmt, 0);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
    char *text = len <= WR_CACHE_VALUE_MAX ? malloc(len + 1) : NULL;

    if (!text)
        return SQLITE_NOMEM;
    if (len > 0)
        memcpy(text, bytes, len);
    text[len] = '\0';
    *ret = (struct wr_cache_text){.text = text, .len = len};
    return SQLITE_ROW;
}

struct times {
    uint64_t stored_ms, expires_ms, used_ms;
};

/* SQLITE_ROW with *ret and its times, SQLITE_DONE, or an error. */
static int read_row(struct file *file, const char *key, struct wr_cache_text *ret,
                    struct times *ret_times)
{
    sqlite3_stmt *stmt = file->stmts[GET];
    int rc = step(file, GET, key, NULL, 0);

    if (rc == SQLITE_ROW) {
        *ret_times = (struct times){(uint64_t)sqlite3_column_int64(stmt, 1),
                                    (uint64_t)sqlite3_column_int64(stmt, 2),
                                    (uint64_t)sqlite3_column_int64(stmt, 3)};
        rc = copy_value(stmt, ret);
    }
    reset(stmt);
    return rc;
}

static int file_get(void *self, const char *key, uint64_t now_ms, struct wr_cache_text *ret,
                    struct wr_error *err)
{
    struct file *file = self;
    struct wr_cache_text text = {0};
    struct times times = {0};
    int found = WR_CACHE_MISS;

    (void)pthread_mutex_lock(&file->lock);
    int rc = read_row(file, key, &text, &times);
    if (rc == SQLITE_ROW) {
        bool expired = now_ms >= times.expires_ms || times.stored_ms > now_ms + CLOCK_SLACK_MS;
        found = expired ? WR_CACHE_EXPIRED : WR_CACHE_HIT;
        rc = SQLITE_OK;
        if (expired)
            rc = run(file, REMOVE, key, NULL, 0);
        else if (now_ms > times.used_ms + NOTE_USE_MS)
            rc = run(file, NOTE_USE, key, &now_ms, 1);
        /* Another process that writes is no reason not to have read. */
        if ((rc & 0xff) == SQLITE_BUSY)
            rc = SQLITE_OK;
    }
    int r =
        rc == SQLITE_OK || rc == SQLITE_DONE ? found : wr_database_fail(file->db, WHAT, rc, err);
    (void)pthread_mutex_unlock(&file->lock);
    if (r == WR_CACHE_HIT)
        *ret = text;
    else
        free(text.text);
    return r;
}

static int make_room(struct file *file, uint64_t now_ms)
{
    uint64_t total = 0;
    const uint64_t old[] = {now_ms, EXPIRE_ROWS};

    int rc = run(file, EXPIRE, NULL, old, 2);
    if (rc == SQLITE_OK)
        rc = number(file, TOTAL, &total);
    for (int i = 0; i < EVICT_STEPS && rc == SQLITE_OK && total > file->max_bytes; i++) {
        /* More at each step: what came may be large, and what goes small. */
        uint64_t count = (uint64_t)i + 1;
        rc = run(file, EVICT, NULL, &count, 1);
        if (rc == SQLITE_OK)
            rc = number(file, TOTAL, &total);
    }
    return rc;
}

static int insert(struct file *file, const char *key, const struct wr_cache_text *value,
                  const struct times *times)
{
    sqlite3_stmt *stmt = file->stmts[PUT];
    int rc = sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 2, value->text, value->len, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 3, (sqlite3_int64)(value->len + ROW_BYTES));
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 4, (sqlite3_int64)times->stored_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 5, (sqlite3_int64)times->expires_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int file_put(void *self, const char *key, const struct wr_cache_text *value, uint64_t now_ms,
                    uint64_t ttl_ms, struct wr_error *err)
{
    struct file *file = self;
    const struct times times = {.stored_ms = now_ms, .expires_ms = now_ms + ttl_ms};

    if (value->len + ROW_BYTES > file->max_bytes)
        return 0;
    (void)pthread_mutex_lock(&file->lock);
    int rc = run(file, BEGIN, NULL, NULL, 0);
    if (rc == SQLITE_OK)
        rc = run(file, REMOVE, key, NULL, 0); /* REPLACE would not run the trigger */
    if (rc == SQLITE_OK)
        rc = insert(file, key, value, &times);
    if (rc == SQLITE_OK)
        rc = make_room(file, now_ms);
    if (rc == SQLITE_OK)
        rc = run(file, COMMIT, NULL, NULL, 0);
    int r = rc == SQLITE_OK ? 0 : wr_database_fail(file->db, WHAT, rc, err);
    /* Some failures have rolled back already. */
    if (!sqlite3_get_autocommit(file->db))
        (void)run(file, ROLLBACK, NULL, NULL, 0);
    (void)pthread_mutex_unlock(&file->lock);
    return r;
}

static int file_clear(void *self, struct wr_error *err)
{
    struct file *file = self;

    (void)pthread_mutex_lock(&file->lock);
    int rc = run(file, CLEAR, NULL, NULL, 0);
    int r = rc == SQLITE_OK ? 0 : wr_database_fail(file->db, WHAT, rc, err);
    (void)pthread_mutex_unlock(&file->lock);
    return r;
}

static int file_count(void *self, uint64_t *ret, struct wr_error *err)
{
    struct file *file = self;

    (void)pthread_mutex_lock(&file->lock);
    int rc = number(file, COUNT, ret);
    int r = rc == SQLITE_OK ? 0 : wr_database_fail(file->db, WHAT, rc, err);
    (void)pthread_mutex_unlock(&file->lock);
    return r;
}

static void file_free(void *self)
{
    struct file *file = self;

    for (size_t i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(file->stmts[i]);
    (void)sqlite3_close(file->db);
    (void)pthread_mutex_destroy(&file->lock);
    free(file);
}

static const struct wr_cache_store_ops file_ops = {
    .name = "sqlite",
    .wall_time = true,
    .get = file_get,
    .put = file_put,
    .clear = file_clear,
    .count = file_count,
    .free = file_free,
};

static int prepare(struct file *file, struct wr_error *err)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(file->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &file->stmts[i], NULL);
        if (rc != SQLITE_OK)
            return wr_database_fail(file->db, WHAT, rc, err);
    }
    return 0;
}

struct wr_cache_store *wr_cache_sqlite(const char *path, size_t max_bytes, struct wr_error *err)
{
    const struct wr_database_opts opts = {
        .path = path, .what = WHAT, .schema = schema, .version = VERSION};
    struct wr_cache_store *store = NULL;

    if (!path || !*path || (max_bytes && max_bytes < LEAST_BYTES)) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                      "a cache in a file needs its path, and at least %zu bytes",
                      (size_t)LEAST_BYTES);
        return NULL;
    }
    struct file *file = wr_calloc(1, sizeof *file);
    if (!file) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
        return NULL;
    }
    (void)pthread_mutex_init(&file->lock, NULL);
    file->max_bytes = max_bytes ? max_bytes : DEFAULT_BYTES;
    if (wr_database_open(&opts, &file->db, err) == 0 && prepare(file, err) == 0) {
        /* What somebody else has put into the file is not read into memory before it is refused. */
        (void)sqlite3_limit(file->db, SQLITE_LIMIT_LENGTH, (int)WR_CACHE_VALUE_MAX + ROW_BYTES);
        store = wr_cache_store_make(&file_ops, file, err);
    }
    if (!store)
        file_free(file);
    return store;
}
