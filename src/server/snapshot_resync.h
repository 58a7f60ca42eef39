/*
 * After each start of an engine: the store's snapshots and the engine's are compared. A row that
 * was being made or removed goes, and so does data without a row: nobody was ever told of either,
 * or its owner has removed it. A row without data goes too.
 */
#pragma once

struct wr_server;

/* Begins; what fails is logged, and tried again at the next start. */
void wr_snapshot_resync(struct wr_server *server);
