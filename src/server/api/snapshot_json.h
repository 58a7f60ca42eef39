/* The JSON shape of a snapshot: E2B's SnapshotInfo, and what else is known of it. */
#pragma once

#include "json/jwrite.h"
#include "server/store/store.h"

void wr_api_write_snapshot(struct wr_jw *w, const struct wr_store_snapshot *snapshot);
/* "names": [...], without its tag. */
void wr_api_write_snapshot_names(struct wr_jw *w, const struct wr_store_snapshot *snapshot);
