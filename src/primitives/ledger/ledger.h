/* The inside of the ledger; the public side is warren/ledger.h. */
#pragma once

#include <jansson.h>
#include <sqlite3.h>

#include "base/base.h"
#include "warren/ledger.h"

#define WR_LEDGER_WHAT     "the ledger"
#define WR_LEDGER_PERIOD_S ((uint64_t)30 * 24 * 3600) /* what readers look at by default */
#define WR_LEDGER_KEEP_MS  ((uint64_t)400 * 24 * 3600 * 1000)
/* Executions from so far in the future were written while the clock was ahead, and do not count;
 * what is nearer is a clock that was set back a little. */
#define WR_LEDGER_SLACK_MS ((uint64_t)3600 * 1000)

/* CLOCK_REALTIME in ms; tests bring their own. */
struct wr_ledger_clock {
    uint64_t (*wall_ms)(void *self);
    void *self;
};
/* `clock` NULL: the system's. */
struct wr_ledger *wr_ledger_open_with(const char *path, const struct wr_ledger_clock *clock,
                                      struct wr_error *err);

/* A view of the ledger: a connection of its own, so that whoever adds never waits for a reader, and
 * one transaction, so that all its queries see the same. */
struct wr_ledger_view {
    sqlite3 *db;
    int64_t from_ms, until_ms; /* of the executions that count */
    uint64_t period_s;
};
/* `period_s` 0: WR_LEDGER_PERIOD_S. */
int wr_ledger_view_open(struct wr_ledger *ledger, uint64_t period_s, struct wr_ledger_view *ret,
                        struct wr_error *err) WR_MUST_CHECK;
void wr_ledger_view_close(struct wr_ledger_view *view);
#define wr_auto_ledger_view WR_CLEANUP(wr_ledger_view_close) struct wr_ledger_view
/* A statement with ?1 and ?2 bound to the view's times. */
int wr_ledger_view_prepare(const struct wr_ledger_view *view, const char *sql, sqlite3_stmt **ret,
                           struct wr_error *err) WR_MUST_CHECK;
/* 1 a row, 0 the end, or -WR_E_*. */
int wr_ledger_view_step(const struct wr_ledger_view *view, sqlite3_stmt *stmt, struct wr_error *err)
    WR_MUST_CHECK;
