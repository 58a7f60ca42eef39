/*
 * Snapshots as the server sees them: a row in the store, the data with the engine, and in memory
 * who needs one right now. The row is there before the engine is asked, marked as being made, and
 * is finished afterwards; clients see finished rows only (docs/internals/server.md).
 */
#pragma once

#include "server/lifecycle.h"

struct wr_server_snapshots;

/* NULL without memory. */
struct wr_server_snapshots *wr_server_snapshots_new(void) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_server_snapshots *wr_server_snapshots_free(struct wr_server_snapshots *snapshots);

/* ---- use and removal ---- */

/* The snapshot `id` (the engine's) is being made, or something is being made from it: nobody
 * removes it. */
int wr_server_snapshot_hold(struct wr_server *server, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* Of one hold; the last one removes it when that was asked for meanwhile. */
void wr_server_snapshot_release(struct wr_server *server, const char *id);
bool wr_server_snapshot_held(const struct wr_server *server, const char *id);

/* Its data, then its row. `fn` is called once, later, unless this function fails; nobody finds the
 * snapshot from here on. FAILED_PRECONDITION while it is held, or in use by the engine. */
int wr_server_snapshot_remove(struct wr_server *server, const char *id, wr_done_fn fn, void *data,
                              struct wr_error *err) WR_MUST_CHECK;
/* The same for whom nobody waits, and with or without a row; when it is held, at the last release.
 * What fails is tried again by the next comparison with the engine. */
void wr_server_snapshot_drop(struct wr_server *server, const char *id);
