/* SNAPSHOT, SNAPSHOT_REMOVE, SNAPSHOTS and CHECKPOINT (docs/internals/snapshot.md). */
#pragma once

#include "engine/request.h"

int wr_action_snapshot(const struct wr_action_request *request, struct wr_error *err) WR_MUST_CHECK;
int wr_action_snapshot_remove(const struct wr_action_request *request, struct wr_error *err)
    WR_MUST_CHECK;
int wr_action_snapshots(const struct wr_action_request *request, struct wr_error *err)
    WR_MUST_CHECK;
int wr_action_checkpoint(const struct wr_action_request *request, struct wr_error *err)
    WR_MUST_CHECK;
/* wr_driver_callbacks.on_snapshot */
void wr_snapshot_done(void *owner, const struct wr_saved *saved, const struct wr_error *error);
