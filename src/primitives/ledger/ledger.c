#include "primitives/ledger/ledger.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "primitives/core/database.h"
#include "primitives/ledger/state_dir.h"

#define FILE_NAME   "ledger.db"
#define VERSION     1
#define TEXT_MAX    200  /* bytes of a name */
#define PRUNE_ROWS  2000 /* in one statement: some ms */
#define PRUNE_STEPS 500  /* at an open */
#define PRUNE_EVERY 1000 /* additions */

static const char schema[] =
    "CREATE TABLE executions (id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, create_ms REAL, "
    "run_ms REAL NOT NULL, held_ms REAL NOT NULL, error_code INTEGER NOT NULL, "
    "code_succeeded INTEGER NOT NULL, backend TEXT NOT NULL, template TEXT NOT NULL, "
    "language TEXT NOT NULL) STRICT;"
    "CREATE INDEX executions_time ON executions (time_ms);";

static const char add_sql[] =
    "INSERT INTO executions (time_ms, create_ms, run_ms, held_ms, error_code, code_succeeded, "
    "backend, template, language) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
static const char prune_sql[] = "DELETE FROM executions WHERE id IN "
                                "(SELECT id FROM executions WHERE time_ms < ?1 LIMIT ?2)";

struct wr_ledger {
    char path[PATH_MAX];
    struct wr_ledger_clock clock;
    pthread_mutex_t lock; /* of what follows */
    sqlite3 *db;
    sqlite3_stmt *add, *prune;
    unsigned added; /* since the last pruning */
};

static uint64_t system_wall_ms(void *self)
{
    (void)self;
    return wr_wall_ms();
}

static uint64_t now_ms(const struct wr_ledger *ledger)
{
    return ledger->clock.wall_ms(ledger->clock.self);
}

static int fail(const struct wr_ledger *ledger, int rc, struct wr_error *err)
{
    return wr_database_fail(ledger->db, WR_LEDGER_WHAT, rc, err);
}

/* ---- pruning ---- */

/* One step; *ret_more: there may be more that is too old. */
static int prune(struct wr_ledger *ledger, bool *ret_more, struct wr_error *err)
{
    uint64_t now = now_ms(ledger);
    int64_t oldest = now > WR_LEDGER_KEEP_MS ? (int64_t)(now - WR_LEDGER_KEEP_MS) : 0;

    (void)sqlite3_bind_int64(ledger->prune, 1, oldest);
    (void)sqlite3_bind_int(ledger->prune, 2, PRUNE_ROWS);
    int rc = sqlite3_step(ledger->prune);
    (void)sqlite3_reset(ledger->prune);
    if (rc != SQLITE_DONE)
        return fail(ledger, rc, err);
    *ret_more = sqlite3_changes(ledger->db) == PRUNE_ROWS;
    return 0;
}

/* Another process may be at it, or the disk be full: the ledger works all the same. */
static void prune_all(struct wr_ledger *ledger)
{
    struct wr_error ignored = {0};
    bool more = true;

    for (int i = 0; more && i < PRUNE_STEPS; i++)
        if (prune(ledger, &more, &ignored) < 0)
            break;
}

/* ---- its life ---- */

struct wr_ledger *wr_ledger_free(struct wr_ledger *ledger)
{
    if (!ledger)
        return NULL;
    (void)sqlite3_finalize(ledger->add);
    (void)sqlite3_finalize(ledger->prune);
    (void)sqlite3_close(ledger->db);
    (void)pthread_mutex_destroy(&ledger->lock);
    free(ledger);
    return NULL;
}

static int open_database(const struct wr_ledger *ledger, sqlite3 **ret, struct wr_error *err)
{
    return wr_database_open(
        &(struct wr_database_opts){
            .path = ledger->path, .what = WR_LEDGER_WHAT, .schema = schema, .version = VERSION},
        ret, err);
}

static int open_all(struct wr_ledger *ledger, const char *path, struct wr_error *err)
{
    int r = 0;

    if (!path)
        r = wr_state_path(FILE_NAME, ledger->path, sizeof ledger->path, err);
    else if (!wr_strcopy(ledger->path, sizeof ledger->path, path))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "%.120s", path);
    if (r == 0)
        r = open_database(ledger, &ledger->db, err);
    if (r < 0)
        return r;
    int rc =
        sqlite3_prepare_v3(ledger->db, add_sql, -1, SQLITE_PREPARE_PERSISTENT, &ledger->add, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(ledger->db, prune_sql, -1, SQLITE_PREPARE_PERSISTENT,
                                &ledger->prune, NULL);
    if (rc != SQLITE_OK)
        return fail(ledger, rc, err);
    prune_all(ledger);
    return 0;
}

struct wr_ledger *wr_ledger_open_with(const char *path, const struct wr_ledger_clock *clock,
                                      struct wr_error *err)
{
    struct wr_ledger *ledger = wr_calloc(1, sizeof *ledger);

    if (!ledger) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, WR_LEDGER_WHAT);
        return NULL;
    }
    (void)pthread_mutex_init(&ledger->lock, NULL);
    ledger->clock = clock ? *clock : (struct wr_ledger_clock){.wall_ms = system_wall_ms};
    return open_all(ledger, path, err) < 0 ? wr_ledger_free(ledger) : ledger;
}

struct wr_ledger *wr_ledger_open(const char *path, struct wr_error *err)
{
    return wr_ledger_open_with(path, NULL, err);
}

/* ---- adding ---- */

static int check(const struct wr_ledger_entry *entry, struct wr_error *err)
{
    if (entry->time_ms < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "time_ms: before 1970");
    if (!isfinite(entry->create_ms) || !isfinite(entry->run_ms) || !isfinite(entry->held_ms) ||
        entry->run_ms < 0 || entry->held_ms < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "run_ms, held_ms: not a duration");
    if (entry->error_code < 0 || entry->error_code >= WR_E_MAX_)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "error_code %d: not a code",
                       entry->error_code);
    return 0;
}

static void bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
    text = text ? text : "";
    size_t len = wr_utf8_prefix(text, TEXT_MAX);
    /* Without memory it is NULL, which the table refuses. */
    (void)sqlite3_bind_text(stmt, i, text, (int)len, SQLITE_STATIC);
}

static int insert(const struct wr_ledger *ledger, const struct wr_ledger_entry *entry)
{
    sqlite3_stmt *stmt = ledger->add;

    (void)sqlite3_bind_int64(stmt, 1, entry->time_ms);
    if (entry->create_ms < 0)
        (void)sqlite3_bind_null(stmt, 2);
    else
        (void)sqlite3_bind_double(stmt, 2, entry->create_ms);
    (void)sqlite3_bind_double(stmt, 3, entry->run_ms);
    (void)sqlite3_bind_double(stmt, 4, entry->held_ms);
    (void)sqlite3_bind_int(stmt, 5, entry->error_code);
    (void)sqlite3_bind_int(stmt, 6, entry->code_succeeded);
    bind_text(stmt, 7, entry->backend);
    bind_text(stmt, 8, entry->template_name);
    bind_text(stmt, 9, entry->language);
    int rc = sqlite3_step(stmt);
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return rc;
}

int wr_ledger_add(struct wr_ledger *ledger, const struct wr_ledger_entry *given,
                  struct wr_error *err)
{
    struct wr_ledger_entry entry;
    struct wr_error ignored = {0};
    bool more = false;

    if (!ledger)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no ledger");
    int r = wr_options_read(given, &entry, sizeof entry, "wr_ledger_entry", err);
    if (r == 0)
        r = check(&entry, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&ledger->lock);
    int rc = insert(ledger, &entry);
    r = rc == SQLITE_DONE ? 0 : fail(ledger, rc, err);
    if (r == 0 && ++ledger->added >= PRUNE_EVERY) {
        ledger->added = 0;
        (void)!prune(ledger, &more, &ignored);
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return r;
}

/* ---- reading ---- */

void wr_ledger_view_close(struct wr_ledger_view *view)
{
    (void)sqlite3_close(view->db); /* ends its transaction */
    view->db = NULL;
}

int wr_ledger_view_open(struct wr_ledger *ledger, uint64_t period_s, struct wr_ledger_view *ret,
                        struct wr_error *err)
{
    struct wr_ledger_view view = {.period_s = period_s ? period_s : WR_LEDGER_PERIOD_S};
    uint64_t now = 0;

    if (!ledger)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no ledger");
    now = now_ms(ledger);
    view.from_ms = view.period_s < now / 1000 ? (int64_t)(now - view.period_s * 1000) : 0;
    view.until_ms = (int64_t)(now + WR_LEDGER_SLACK_MS);
    int r = open_database(ledger, &view.db, err);
    if (r < 0)
        return r;
    int rc = sqlite3_exec(view.db, "BEGIN", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        r = wr_database_fail(view.db, WR_LEDGER_WHAT, rc, err);
        wr_ledger_view_close(&view);
        return r;
    }
    *ret = view;
    return 0;
}

int wr_ledger_view_prepare(const struct wr_ledger_view *view, const char *sql, sqlite3_stmt **ret,
                           struct wr_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(view->db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, view->from_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 2, view->until_ms);
    if (rc != SQLITE_OK) {
        (void)sqlite3_finalize(stmt);
        return wr_database_fail(view->db, WR_LEDGER_WHAT, rc, err);
    }
    *ret = stmt;
    return 0;
}

int wr_ledger_view_step(const struct wr_ledger_view *view, sqlite3_stmt *stmt, struct wr_error *err)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : wr_database_fail(view->db, WR_LEDGER_WHAT, rc, err);
}
