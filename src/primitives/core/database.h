/*
 * SQLite files that processes share: caches, ledgers, lists of sessions. Made 0600, in WAL mode,
 * with the version of their schema in user_version. A connection is for one thread at a time:
 * whoever has it locks.
 */
#pragma once

#include <sqlite3.h>

#include "base/base.h"
#include "base/error.h"

struct wr_database_opts {
    const char *path;
    const char *what;   /* in errors: "the cache" */
    const char *schema; /* statements that make it */
    int version;        /* of the schema, from 1 */
    int busy_ms;        /* how long to wait for other processes; 0: 2,000 */
};

/* FAILED_PRECONDITION when the file has another version of the schema. */
int wr_database_open(const struct wr_database_opts *opts, sqlite3 **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Fills `err` for the code of an SQLite function; `what` as above. */
int wr_database_fail(sqlite3 *db, const char *what, int rc, struct wr_error *err);
/* Finalizes or closes; accept NULL. */
void wr_statement_free_ptr(sqlite3_stmt **stmt);
#define wr_auto_statement WR_CLEANUP(wr_statement_free_ptr) sqlite3_stmt
