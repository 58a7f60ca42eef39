/* Taking snapshots of sandboxes that go on; see snapshots.h. */
#pragma once

#include "server/sandbox_table.h"
#include "server/snapshot_ref.h"

struct wr_server;

#define WR_SNAPSHOTS_OF_TEAM 1000 /* default of the setting */

struct wr_snapshot_wish {
    const struct wr_snapshot_name *name; /* NULL: it has none */
    bool memory;                         /* not only the files */
    uint64_t request;                    /* number of the client's, for log lines */
};
/* Exactly one of `snapshot`, borrowed, and `error` is non-NULL. */
typedef void (*wr_snapshot_fn)(const struct wr_store_snapshot *snapshot,
                               const struct wr_error *error, void *data);
/*
 * Of a sandbox that runs or is frozen, and goes on. `fn` is called once, later, unless this
 * function fails. ABORTED while it is busy, FAILED_PRECONDITION when it is hibernated or cannot be
 * dumped, RESOURCE_EXHAUSTED when the team has as many as it may or there is no room.
 */
int wr_server_snapshot_take(struct wr_server *server, struct wr_sandbox *sandbox,
                            const struct wr_snapshot_wish *wish, wr_snapshot_fn fn, void *data,
                            struct wr_error *err) WR_MUST_CHECK;
/* The same for a fork: without a row, held (snapshots.h) from the start. `snapshot` of fn has an
 * id, and what the sandbox had. Whoever asked lets go of it and removes it. */
int wr_server_snapshot_take_hidden(struct wr_server *server, struct wr_sandbox *sandbox,
                                   uint64_t request, wr_snapshot_fn fn, void *data,
                                   struct wr_error *err) WR_MUST_CHECK;
