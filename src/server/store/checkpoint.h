/*
 * Checkpoints on a thread of their own: they wait for the disk, and the server's loop must not. The
 * thread has its own connection to the file and touches nothing else of the store.
 */
#pragma once

#include "base/error.h"

struct wr_checkpointer;

/* `path` is borrowed during the call. The thread blocks all signals. */
int wr_checkpointer_new(const char *path, struct wr_checkpointer **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Asks for a checkpoint; returns at once. Asking again while one is made means one more. */
void wr_checkpointer_ask(struct wr_checkpointer *checkpointer);
/* Asks for what was committed before to be on the disk, and returns at once. The answer is in
 * wr_checkpointer_synced() once wr_checkpointer_sync_fd() is readable. */
uint64_t wr_checkpointer_sync(struct wr_checkpointer *checkpointer);
/* 1: the disk has what the call with that number asked for; 0: not yet; a negative errno: it
 * failed. */
int wr_checkpointer_synced(struct wr_checkpointer *checkpointer, uint64_t number);
/* An eventfd, the checkpointer's; whoever waits reads it. */
int wr_checkpointer_sync_fd(const struct wr_checkpointer *checkpointer);
/* Waits for the checkpoint that is being made. Accepts NULL, returns NULL. */
struct wr_checkpointer *wr_checkpointer_free(struct wr_checkpointer *checkpointer);
