/*
 * SQLite behind the store's files: one connection, statements that stay prepared, values bound by
 * type. A statement is named by the address of its SQL text (a static array beside its use).
 */
#pragma once

#include <sqlite3.h>

#include "server/store/checkpoint.h"
#include "server/store/store.h"

#define WR_STORE_MAX_STATEMENTS 160

struct wr_store {
    sqlite3 *db;
    struct wr_checkpointer *checkpointer;
    char path[256];
    struct wr_statement {
        const char *sql; /* static */
        sqlite3_stmt *stmt;
    } statements[WR_STORE_MAX_STATEMENTS];
    size_t statement_count;
    /* Team metrics (team_metrics.c): the time of the last sample, and the last event before it. */
    uint64_t team_sampled_ms, team_event_id;
};

enum wr_sql_kind { WR_SQL_NULL = 0, WR_SQL_INT = 1, WR_SQL_REAL = 2, WR_SQL_TEXT = 3 };
/* Borrowed until the statement is reset. */
struct wr_sql_value {
    enum wr_sql_kind kind;
    uint64_t number;
    double real;
    const char *text;
};
struct wr_values {
    const struct wr_sql_value *items;
    size_t count;
};
#define WR_INT(v)                         \
    (struct wr_sql_value)                 \
    {                                     \
        .kind = WR_SQL_INT, .number = (v) \
    }
#define WR_REAL(v)                       \
    (struct wr_sql_value)                \
    {                                    \
        .kind = WR_SQL_REAL, .real = (v) \
    }
/* NULL becomes SQL's NULL. */
#define WR_TEXT(v)                       \
    (struct wr_sql_value)                \
    {                                    \
        .kind = WR_SQL_TEXT, .text = (v) \
    }
#define WR_VALUES(...)                                                                       \
    (struct wr_values)                                                                       \
    {                                                                                        \
        (const struct wr_sql_value[]){__VA_ARGS__},                                          \
            sizeof((const struct wr_sql_value[]){__VA_ARGS__}) / sizeof(struct wr_sql_value) \
    }
#define WR_NO_VALUES   \
    (struct wr_values) \
    {                  \
        NULL, 0        \
    }

/* Opens the file (made with mode 0600) and sets the connection's pragmas. */
int wr_db_open(struct wr_store *store, struct wr_error *err) WR_MUST_CHECK;
void wr_db_close(struct wr_store *store);

/* The prepared statement for `sql` with its values bound; wr_auto_stmt resets it. */
int wr_db_start(struct wr_store *store, const char *sql, struct wr_values values,
                sqlite3_stmt **ret, struct wr_error *err) WR_MUST_CHECK;
/* 1 a row, 0 the end. */
int wr_db_step(struct wr_store *store, sqlite3_stmt *stmt, struct wr_error *err) WR_MUST_CHECK;
void wr_db_reset(sqlite3_stmt **stmt);
#define wr_auto_stmt WR_CLEANUP(wr_db_reset) sqlite3_stmt
/* All of a statement without rows. `ret_changed` (may be NULL): rows that it touched.
 * ALREADY_EXISTS when a unique value is taken, NOT_FOUND when what it refers to does not exist. */
int wr_db_run(struct wr_store *store, const char *sql, struct wr_values values,
              uint64_t *ret_changed, struct wr_error *err) WR_MUST_CHECK;
/* The same; what it overwrites or deletes is not left in the free parts of the file. */
int wr_db_run_erasing(struct wr_store *store, const char *sql, struct wr_values values,
                      uint64_t *ret_changed, struct wr_error *err) WR_MUST_CHECK;
/* A text without values: pragmas, schema. */
int wr_db_script(struct wr_store *store, const char *sql, struct wr_error *err) WR_MUST_CHECK;
/* The one number that a query without values answers with. */
int wr_db_number(struct wr_store *store, const char *sql, uint64_t *ret, struct wr_error *err)
    WR_MUST_CHECK;

int wr_db_begin(struct wr_store *store, struct wr_error *err) WR_MUST_CHECK;
/* Commits when `r` is 0, else rolls back; returns the first failure. */
int wr_db_end(struct wr_store *store, int r, struct wr_error *err) WR_MUST_CHECK;

/* Column `i` as text, "" for NULL; borrowed until the next step. */
const char *wr_db_text(sqlite3_stmt *stmt, int i);
uint64_t wr_db_u64(sqlite3_stmt *stmt, int i);
/* Copies column `i`; cut at a character's end if longer (the writer has bounded it). */
void wr_db_copy(sqlite3_stmt *stmt, int i, char *out, size_t cap);
