#include "server/store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"

#define BUSY_TIMEOUT_MS 5000

/* ---- errors ---- */

struct failure {
    int primary; /* SQLite's code without its extension */
    enum wr_code code;
    const char *text; /* reason and remedy */
};

static const struct failure failures[] = {
    {SQLITE_CORRUPT, WR_E_DATA_LOSS,
     "is damaged; stop the server, then restore a copy of it, or move it away and start anew "
     "without its teams and keys"},
    {SQLITE_NOTADB, WR_E_DATA_LOSS,
     "is not a database; stop the server, then restore a copy of it, or move it away and start "
     "anew without its teams and keys"},
    {SQLITE_FULL, WR_E_RESOURCE_EXHAUSTED, "cannot grow, its disk is full; free some space"},
    {SQLITE_READONLY, WR_E_PERMISSION_DENIED,
     "cannot be written; give it and its directory to the user of the server"},
    {SQLITE_PERM, WR_E_PERMISSION_DENIED,
     "cannot be opened; give it and its directory to the user of the server"},
    {SQLITE_CANTOPEN, WR_E_PERMISSION_DENIED,
     "cannot be opened; give it and its directory to the user of the server"},
    {SQLITE_BUSY, WR_E_UNAVAILABLE, "is locked by another process; end that one"},
    {SQLITE_LOCKED, WR_E_UNAVAILABLE, "is locked by another process; end that one"},
    {SQLITE_NOMEM, WR_E_RESOURCE_EXHAUSTED, "cannot be read without memory"},
};

static int fail(const struct wr_store *store, int rc, struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(failures); i++)
        if ((rc & 0xff) == failures[i].primary)
            return wr_fail(err, failures[i].code, 0, "%.90s %s", store->path, failures[i].text);
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "what the new row refers to does not exist");
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "it exists already");
    int os_errno = (rc & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(store->db) : 0;
    return wr_fail(err, WR_E_INTERNAL, os_errno, "%.90s: %.80s", store->path, sqlite3_errstr(rc));
}

/* ---- statements ---- */

static int find_statement(struct wr_store *store, const char *sql, sqlite3_stmt **ret,
                          struct wr_error *err)
{
    for (size_t i = 0; i < store->statement_count; i++)
        if (store->statements[i].sql == sql) {
            *ret = store->statements[i].stmt;
            return 0;
        }
    if (store->statement_count == WR_STORE_MAX_STATEMENTS)
        return wr_fail(err, WR_E_INTERNAL, 0, "more than %d statements", WR_STORE_MAX_STATEMENTS);
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (rc != SQLITE_OK)
        return fail(store, rc, err);
    store->statements[store->statement_count++] = (struct wr_statement){sql, stmt};
    *ret = stmt;
    return 0;
}

static int bind(sqlite3_stmt *stmt, int i, const struct wr_sql_value *value)
{
    switch (value->kind) {
    case WR_SQL_INT:
        return sqlite3_bind_int64(stmt, i, (sqlite3_int64)WR_MIN(value->number, INT64_MAX));
    case WR_SQL_REAL:
        return sqlite3_bind_double(stmt, i, value->real);
    case WR_SQL_TEXT:
        return sqlite3_bind_text(stmt, i, value->text, -1, SQLITE_STATIC);
    case WR_SQL_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, i);
}

int wr_db_start(struct wr_store *store, const char *sql, struct wr_values values,
                sqlite3_stmt **ret, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = find_statement(store, sql, &stmt, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < values.count; i++) {
        int rc = bind(stmt, (int)i + 1, &values.items[i]);
        if (rc != SQLITE_OK)
            return fail(store, rc, err);
    }
    *ret = stmt;
    stmt = NULL;
    return 0;
}

int wr_db_step(struct wr_store *store, sqlite3_stmt *stmt, struct wr_error *err)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : fail(store, rc, err);
}

void wr_db_reset(sqlite3_stmt **stmt)
{
    if (!*stmt)
        return;
    /* Repeats the error of the last step, which was reported there. */
    (void)sqlite3_reset(*stmt);
    (void)sqlite3_clear_bindings(*stmt);
}

int wr_db_run(struct wr_store *store, const char *sql, struct wr_values values,
              uint64_t *ret_changed, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, sql, values, &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r > 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "a statement without rows gave one");
    if (r == 0 && ret_changed)
        *ret_changed = (uint64_t)sqlite3_changes64(store->db);
    return r;
}

int wr_db_run_erasing(struct wr_store *store, const char *sql, struct wr_values values,
                      uint64_t *ret_changed, struct wr_error *err)
{
    struct wr_error ignored = {0};

    int r = wr_db_script(store, "PRAGMA secure_delete = ON", err);
    if (r == 0)
        r = wr_db_run(store, sql, values, ret_changed, err);
    /* Without it only other deletions are slower. */
    (void)!wr_db_script(store, "PRAGMA secure_delete = OFF", &ignored);
    return r;
}

int wr_db_script(struct wr_store *store, const char *sql, struct wr_error *err)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fail(store, sqlite3_extended_errcode(store->db), err);
}

int wr_db_number(struct wr_store *store, const char *sql, uint64_t *ret, struct wr_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = wr_db_u64(stmt, 0);
    int r = rc == SQLITE_ROW ? 0 : fail(store, rc, err);
    (void)sqlite3_finalize(stmt);
    return r;
}

static const char begin_sql[] = "BEGIN IMMEDIATE";
static const char commit_sql[] = "COMMIT";
static const char rollback_sql[] = "ROLLBACK";

int wr_db_begin(struct wr_store *store, struct wr_error *err)
{
    return wr_db_run(store, begin_sql, WR_NO_VALUES, NULL, err);
}

int wr_db_end(struct wr_store *store, int r, struct wr_error *err)
{
    struct wr_error ignored = {0};

    if (r == 0)
        r = wr_db_run(store, commit_sql, WR_NO_VALUES, NULL, err);
    /* Some failures have rolled back already. */
    if (r < 0 && !sqlite3_get_autocommit(store->db))
        (void)!wr_db_run(store, rollback_sql, WR_NO_VALUES, NULL, &ignored);
    return r;
}

/* ---- columns ---- */

const char *wr_db_text(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);

    return text ? text : "";
}

uint64_t wr_db_u64(sqlite3_stmt *stmt, int i)
{
    sqlite3_int64 value = sqlite3_column_int64(stmt, i);

    return value > 0 ? (uint64_t)value : 0;
}

void wr_db_copy(sqlite3_stmt *stmt, int i, char *out, size_t cap)
{
    const char *text = wr_db_text(stmt, i);
    size_t len = strnlen(text, cap);

    if (len == cap) {
        len = cap - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

/* ---- the connection ---- */

/* The file that SQLite finds then, its -wal and -shm get the same mode. */
static int make_file(const char *path, struct wr_error *err)
{
    wr_auto_close int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno),
                             "open %.120s; it and its directory belong to the user of the server",
                             path);
    return fchmod(fd, 0600) == 0
               ? 0
               : wr_fail_errno(err, WR_E_PERMISSION_DENIED, "mode of %.120s", path);
}

/*
 * NORMAL: a commit is with the kernel, the disk has it at the next checkpoint (checkpoint.c), which
 * on_commit() asks for.
 */
static const char pragmas[] = "PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = NORMAL;"
                              "PRAGMA foreign_keys = ON;"
                              "PRAGMA trusted_schema = OFF;"
                              "PRAGMA cell_size_check = ON;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA journal_size_limit = 67108864;";

/* Pages of the log after which a checkpoint is asked for, and after which the writer has to make it
 * itself: its thread then does not keep up, or fails. 4 and 256 MiB. */
#define LOG_ASK  1024
#define LOG_MOST 65536

/* SQLite calls it after each commit, instead of its own checkpoints. */
static int on_commit(void *data, sqlite3 *db, const char *name, int log_pages)
{
    struct wr_store *store = data;

    if (log_pages >= LOG_MOST)
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    else if (log_pages >= LOG_ASK)
        wr_checkpointer_ask(store->checkpointer);
    return SQLITE_OK;
}

int wr_db_open(struct wr_store *store, struct wr_error *err)
{
    int r = make_file(store->path, err);

    if (r < 0)
        return r;
    /* One thread: no mutexes. */
    int rc = sqlite3_open_v2(store->path, &store->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                                 SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    if (rc != SQLITE_OK)
        return fail(store, rc, err);
    r = wr_db_script(store, pragmas, err);
    if (r == 0)
        r = wr_checkpointer_new(store->path, &store->checkpointer, err);
    if (r == 0)
        (void)sqlite3_wal_hook(store->db, on_commit, store);
    return r;
}

void wr_db_close(struct wr_store *store)
{
    store->checkpointer = wr_checkpointer_free(store->checkpointer);
    for (size_t i = 0; i < store->statement_count; i++)
        (void)sqlite3_finalize(store->statements[i].stmt);
    store->statement_count = 0;
    (void)sqlite3_close(store->db);
    store->db = NULL;
}
