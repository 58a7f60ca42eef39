/*
 * The part of a creation that a sandbox from a snapshot needs: what it is made from is held as long
 * as that takes, and what runs in it learns who it is now. Until then it takes itself for the
 * sandbox that the snapshot was taken of.
 */
#pragma once

#include "server/lifecycle.h"

/* Zeroed: of a template. Its memory is the caller's. */
struct wr_snapshot_child {
    char snapshot_id[WR_ID_LEN + 1];    /* held; "": of a template */
    char agent_token[WR_TOKEN_LEN + 1]; /* control token of the agent in the snapshot */
    char parent_id[WR_ID_LEN + 1];      /* what the child descends from, for its row */
    char template_id[WR_ID_LEN + 1];
    char name[WR_SNAPSHOT_NAME_LEN + 1];
};

/* Takes a hold and a reference. `fork`: the snapshot is there for this only, and the child descends
 * from what the snapshot descends from. */
int wr_snapshot_child_init(struct wr_snapshot_child *child, struct wr_server *server,
                           const struct wr_store_snapshot *snapshot, bool fork,
                           struct wr_error *err) WR_MUST_CHECK;
/* Lets go of everything, wipes, and zeroes it; idempotent. */
void wr_snapshot_child_done(struct wr_snapshot_child *child, struct wr_server *server);
static inline bool wr_snapshot_child_is(const struct wr_snapshot_child *child)
{
    return child->snapshot_id[0] != '\0';
}

/* The record's part: where the sandbox comes from. */
void wr_snapshot_child_mark(const struct wr_snapshot_child *child, struct wr_sandbox *sandbox);
struct wr_snapshot_child_call {
    const char *env; /* a JSON object of strings, or NULL for none */
    wr_done_fn fn;
    void *data;
};
/* Tells the agent the id and the tokens of the record, and the environment. `fn` as that of
 * wr_agent_tell(). */
int wr_snapshot_child_tell(const struct wr_snapshot_child *child, struct wr_server *server,
                           struct wr_sandbox *sandbox, const struct wr_snapshot_child_call *call,
                           struct wr_error *err) WR_MUST_CHECK;
