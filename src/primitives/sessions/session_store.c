#include "primitives/sessions/session_store.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "primitives/core/database.h"
#include "primitives/ledger/state_dir.h"

#define WHAT     "the list of sessions"
#define BUSY_MS  5000
#define ROWS_MAX 100000

static const char schema[] = "CREATE TABLE store ("
                             "  id TEXT NOT NULL"
                             ") STRICT;"
                             "CREATE TABLE sessions ("
                             "  backend TEXT NOT NULL,"
                             "  id TEXT NOT NULL,"
                             "  tag TEXT NOT NULL UNIQUE,"
                             "  sandbox_id TEXT NOT NULL,"
                             "  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),"
                             "  owner TEXT NOT NULL,"
                             "  lease_end_ms INTEGER NOT NULL,"
                             "  created_ms INTEGER NOT NULL,"
                             "  used_ms INTEGER NOT NULL,"
                             "  PRIMARY KEY (backend, id)"
                             ") STRICT, WITHOUT ROWID;";
static const char columns[] =
    "id, tag, sandbox_id, state, owner, lease_end_ms, created_ms, used_ms";

struct wr_session_store {
    pthread_mutex_t lock; /* of the connection */
    sqlite3 *db;
    char *backend;
    char id[WR_SESSION_TAG_LEN + 1];
};

/* ---- statements; the lock is held ---- */

struct binding {
    const char *text; /* NULL: `number` */
    int64_t number;
};

static int prepare(struct wr_session_store *store, const char *sql, const struct binding *values,
                   int count, sqlite3_stmt **ret, struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;

    int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);
    for (int i = 0; rc == SQLITE_OK && i < count; i++)
        rc = values[i].text ? sqlite3_bind_text(stmt, i + 1, values[i].text, -1, SQLITE_TRANSIENT)
                            : sqlite3_bind_int64(stmt, i + 1, values[i].number);
    if (rc != SQLITE_OK)
        return wr_database_fail(store->db, WHAT, rc, err);
    *ret = wr_steal_ptr(&stmt);
    return 0;
}

/* A statement without rows. */
static int change(struct wr_session_store *store, const char *sql, const struct binding *values,
                  int count, struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;

    int r = prepare(store, sql, values, count, &stmt, err);
    if (r < 0)
        return r;
    int rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : wr_database_fail(store->db, WHAT, rc, err);
}

/* The first column of the first row. */
static int ask(struct wr_session_store *store, const char *sql, const struct binding *values,
               int count, int64_t *ret, struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;

    int r = prepare(store, sql, values, count, &stmt, err);
    if (r < 0)
        return r;
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        return wr_database_fail(store->db, WHAT, rc, err);
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}

static void read_text(sqlite3_stmt *stmt, int column, char *ret, size_t cap)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    /* What was written fits; another writer's text that does not is as good as none. */
    (void)!wr_strcopy(ret, cap, text ? text : "");
}

static void read_row(sqlite3_stmt *stmt, struct wr_session_row *ret)
{
    read_text(stmt, 0, ret->id, sizeof ret->id);
    read_text(stmt, 1, ret->tag, sizeof ret->tag);
    read_text(stmt, 2, ret->sandbox_id, sizeof ret->sandbox_id);
    ret->state = (enum wr_session_state)sqlite3_column_int(stmt, 3);
    read_text(stmt, 4, ret->owner, sizeof ret->owner);
    ret->lease_end_ms = sqlite3_column_int64(stmt, 5);
    ret->created_ms = sqlite3_column_int64(stmt, 6);
    ret->used_ms = sqlite3_column_int64(stmt, 7);
}

/* ---- the file ---- */

/* The first who opens the file gives it its id. */
static int read_id(struct wr_session_store *store, struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;
    char id[WR_SESSION_TAG_LEN + 1];

    wr_random_id(id, WR_SESSION_TAG_LEN);
    int r = change(store, "INSERT INTO store (id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM store)",
                   &(struct binding){.text = id}, 1, err);
    if (r == 0)
        r = prepare(store, "SELECT id FROM store", NULL, 0, &stmt, err);
    if (r < 0)
        return r;
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        return wr_database_fail(store->db, WHAT, rc, err);
    read_text(stmt, 0, store->id, sizeof store->id);
    return 0;
}

int wr_session_store_open(const char *path, const char *backend, struct wr_session_store **ret,
                          struct wr_error *err)
{
    char own[PATH_MAX];

    if (!path) {
        int r = wr_state_path("sessions.db", own, sizeof own, err);
        if (r < 0)
            return r;
    }
    struct wr_session_store *store = wr_calloc(1, sizeof *store);
    if (!store)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, WHAT);
    (void)pthread_mutex_init(&store->lock, NULL);
    store->backend = wr_strdup(backend);
    int r = store->backend ? wr_database_open(&(struct wr_database_opts){.path = path ? path : own,
                                                                         .what = WHAT,
                                                                         .schema = schema,
                                                                         .version = 1,
                                                                         .busy_ms = BUSY_MS},
                                              &store->db, err)
                           : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, WHAT);
    if (r == 0)
        r = read_id(store, err);
    if (r < 0)
        wr_session_store_close(store);
    else
        *ret = store;
    return r;
}

struct wr_session_store *wr_session_store_close(struct wr_session_store *store)
{
    if (!store)
        return NULL;
    (void)sqlite3_close(store->db); /* no statement is left open */
    (void)pthread_mutex_destroy(&store->lock);
    free(store->backend);
    free(store);
    return NULL;
}

const char *wr_session_store_id(const struct wr_session_store *store)
{
    return store->id;
}

/* ---- rows ---- */

static int check_room(struct wr_session_store *store, const char *id, unsigned max,
                      struct wr_error *err)
{
    const struct binding names[] = {{.text = store->backend}, {.text = id}};
    int64_t same = 0, all = 0;

    int r = ask(store, "SELECT count(*) FROM sessions WHERE backend = ?1 AND id = ?2", names, 2,
                &same, err);
    if (r == 0)
        r = ask(store, "SELECT count(*) FROM sessions WHERE backend = ?1", names, 1, &all, err);
    if (r < 0)
        return r;
    if (same > 0)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a session %.128s already", id);
    if (all >= (int64_t)max)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "there are %u sessions, as many as may be; close one", max);
    return 0;
}

static int insert(struct wr_session_store *store, const struct wr_session_row *row,
                  struct wr_error *err)
{
    const struct binding values[] = {
        {.text = store->backend},      {.text = row->id},           {.text = row->tag},
        {.text = row->sandbox_id},     {.number = row->state},      {.text = row->owner},
        {.number = row->lease_end_ms}, {.number = row->created_ms}, {.number = row->used_ms},
    };

    return change(store, "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", values,
                  (int)WR_ARRAY_SIZE(values), err);
}

int wr_session_store_add(struct wr_session_store *store, const struct wr_session_row *row,
                         unsigned max, struct wr_error *err)
{
    struct wr_error ignored = {0};

    (void)pthread_mutex_lock(&store->lock);
    int r = change(store, "BEGIN IMMEDIATE", NULL, 0, err);
    if (r == 0) {
        r = check_room(store, row->id, max, err);
        if (r == 0)
            r = insert(store, row, err);
        if (r == 0)
            r = change(store, "COMMIT", NULL, 0, err);
        if (r < 0)
            (void)change(store, "ROLLBACK", NULL, 0, &ignored);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return r;
}

int wr_session_store_get(struct wr_session_store *store, const char *id, struct wr_session_row *ret,
                         struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;
    char sql[256];

    if (!wr_strformat(sql, sizeof sql, "SELECT %s FROM sessions WHERE backend = ?1 AND id = ?2",
                      columns))
        return wr_fail(err, WR_E_INTERNAL, 0, WHAT);
    (void)pthread_mutex_lock(&store->lock);
    int r = prepare(store, sql, (const struct binding[]){{.text = store->backend}, {.text = id}}, 2,
                    &stmt, err);
    if (r == 0) {
        int rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW)
            read_row(stmt, ret);
        else
            r = rc == SQLITE_DONE
                    ? wr_fail(err, WR_E_NOT_FOUND, 0, "there is no session %.128s", id)
                    : wr_database_fail(store->db, WHAT, rc, err);
    }
    (void)sqlite3_finalize(wr_steal_ptr(&stmt)); /* before others may use the connection */
    (void)pthread_mutex_unlock(&store->lock);
    return r;
}

int wr_session_store_set(struct wr_session_store *store, const char *tag,
                         enum wr_session_state state, const char *sandbox_id, bool *ret_there,
                         struct wr_error *err)
{
    const struct binding values[] = {{.text = tag},
                                     {.number = state},
                                     {.text = sandbox_id ? sandbox_id : ""},
                                     {.number = (int64_t)wr_wall_ms()}};

    (void)pthread_mutex_lock(&store->lock);
    int r = change(store,
                   "UPDATE sessions SET state = ?2, used_ms = ?4,"
                   " sandbox_id = CASE ?3 WHEN '' THEN sandbox_id ELSE ?3 END WHERE tag = ?1",
                   values, (int)WR_ARRAY_SIZE(values), err);
    if (r == 0)
        *ret_there = sqlite3_changes(store->db) > 0;
    (void)pthread_mutex_unlock(&store->lock);
    return r;
}

int wr_session_store_remove(struct wr_session_store *store, const char *tag, struct wr_error *err)
{
    (void)pthread_mutex_lock(&store->lock);
    int r = change(store, "DELETE FROM sessions WHERE tag = ?1", &(struct binding){.text = tag}, 1,
                   err);
    (void)pthread_mutex_unlock(&store->lock);
    return r;
}

int wr_session_store_has(struct wr_session_store *store, const char *tag, bool *ret,
                         struct wr_error *err)
{
    int64_t count = 0;

    (void)pthread_mutex_lock(&store->lock);
    int r = ask(store, "SELECT count(*) FROM sessions WHERE tag = ?1",
                &(struct binding){.text = tag}, 1, &count, err);
    (void)pthread_mutex_unlock(&store->lock);
    if (r == 0)
        *ret = count > 0;
    return r;
}

/* The lock is held. */
static int read_rows(struct wr_session_store *store, sqlite3_stmt *stmt,
                     struct wr_session_row **ret, size_t *ret_count, struct wr_error *err)
{
    wr_auto_free struct wr_session_row *rows = NULL;
    size_t count = 0, cap = 0;
    int rc = sqlite3_step(stmt);

    for (; rc == SQLITE_ROW && count < ROWS_MAX; rc = sqlite3_step(stmt)) {
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            struct wr_session_row *more = reallocarray(rows, cap, sizeof *rows);
            if (!more)
                return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, WHAT);
            rows = more;
        }
        memset(&rows[count], 0, sizeof *rows);
        read_row(stmt, &rows[count++]);
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return wr_database_fail(store->db, WHAT, rc, err);
    *ret = wr_steal_ptr(&rows);
    *ret_count = count;
    return 0;
}

int wr_session_store_list(struct wr_session_store *store, struct wr_session_row **ret,
                          size_t *ret_count, struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;
    char sql[256];

    if (!wr_strformat(sql, sizeof sql, "SELECT %s FROM sessions WHERE backend = ?1 ORDER BY id",
                      columns))
        return wr_fail(err, WR_E_INTERNAL, 0, WHAT);
    (void)pthread_mutex_lock(&store->lock);
    int r = prepare(store, sql, &(struct binding){.text = store->backend}, 1, &stmt, err);
    if (r == 0)
        r = read_rows(store, stmt, ret, ret_count, err);
    (void)sqlite3_finalize(wr_steal_ptr(&stmt));
    (void)pthread_mutex_unlock(&store->lock);
    return r;
}
