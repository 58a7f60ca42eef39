#include "primitives/core/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define DEFAULT_BUSY_MS 2000
#define BUSY_STEP_MS    10

static const struct {
    int primary; /* SQLite's code without its extension */
    enum wr_code code;
    const char *text; /* reason and remedy */
} failures[] = {
    {SQLITE_CORRUPT, WR_E_DATA_LOSS, "is damaged; remove its file"},
    {SQLITE_NOTADB, WR_E_DATA_LOSS, "is no database; remove its file, or name another one"},
    {SQLITE_FULL, WR_E_RESOURCE_EXHAUSTED, "cannot grow"},
    {SQLITE_READONLY, WR_E_PERMISSION_DENIED, "cannot be written"},
    {SQLITE_PERM, WR_E_PERMISSION_DENIED, "cannot be opened"},
    {SQLITE_CANTOPEN, WR_E_PERMISSION_DENIED, "cannot be opened"},
    {SQLITE_BUSY, WR_E_UNAVAILABLE, "is locked by another process"},
    {SQLITE_LOCKED, WR_E_UNAVAILABLE, "is locked by another process"},
    {SQLITE_NOMEM, WR_E_RESOURCE_EXHAUSTED, "cannot be read without memory"},
};

int wr_database_fail(sqlite3 *db, const char *what, int rc, struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(failures); i++)
        if ((rc & 0xff) == failures[i].primary)
            return wr_fail(err, failures[i].code, 0, "%s %s", what, failures[i].text);
    int os_errno = (rc & 0xff) == SQLITE_IOERR && db ? sqlite3_system_errno(db) : 0;
    return wr_fail(err, WR_E_INTERNAL, os_errno, "%s: %.80s", what, sqlite3_errstr(rc));
}

void wr_statement_free_ptr(sqlite3_stmt **stmt)
{
    (void)sqlite3_finalize(*stmt); /* repeats the error of the last step */
}

/* The file that SQLite finds then; its -wal and -shm get the same mode. */
static int make_file(const struct wr_database_opts *opts, struct wr_error *err)
{
    wr_auto_close int fd = open(opts->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "%s, %.120s", opts->what, opts->path);
    return 0;
}

static const char pragmas[] = "PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = NORMAL;"
                              "PRAGMA trusted_schema = OFF;"
                              "PRAGMA cell_size_check = ON;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA journal_size_limit = 16777216;";

static int user_version(sqlite3 *db, int *ret)
{
    wr_auto_statement *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int(stmt, 0);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* In one transaction: several processes may open a new file at once. */
static int make_schema(sqlite3 *db, const struct wr_database_opts *opts, struct wr_error *err)
{
    char set_version[64];
    int version = 0;

    (void)snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", opts->version);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = user_version(db, &version);
    if (rc == SQLITE_OK && version == 0)
        rc = sqlite3_exec(db, opts->schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK && version == 0)
        rc = sqlite3_exec(db, set_version, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return wr_database_fail(db, opts->what, rc, err);
    if (version != 0 && version != opts->version)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%s, %.100s, is of format %d, this version of libwarren has %d; remove it",
                       opts->what, opts->path, version, opts->version);
    return 0;
}

/* The change to WAL mode is refused at once when another process does the same: SQLite asks its
 * busy handler for locks, not for that. */
static int set_pragmas(sqlite3 *db, uint64_t wait_ms)
{
    const uint64_t end_ms = wr_mono_ms() + wait_ms;
    int rc;

    while ((rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL)) != SQLITE_OK &&
           (rc & 0xff) == SQLITE_BUSY && wr_mono_ms() < end_ms)
        (void)sqlite3_sleep(BUSY_STEP_MS);
    return rc;
}

int wr_database_open(const struct wr_database_opts *opts, sqlite3 **ret, struct wr_error *err)
{
    const int busy_ms = opts->busy_ms ? opts->busy_ms : DEFAULT_BUSY_MS;
    sqlite3 *db = NULL;

    int r = make_file(opts, err);
    if (r < 0)
        return r;
    int rc = sqlite3_open_v2(opts->path, &db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                                 SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, busy_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    if (rc == SQLITE_OK)
        rc = set_pragmas(db, (uint64_t)busy_ms);
    r = rc == SQLITE_OK ? make_schema(db, opts, err) : wr_database_fail(db, opts->what, rc, err);
    if (r < 0) {
        (void)sqlite3_close(db);
        return r;
    }
    *ret = db;
    return 0;
}
