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
/* Waits for the checkpoint that is being made. Accepts NULL, returns NULL. */
struct wr_checkpointer *wr_checkpointer_free(struct wr_checkpointer *checkpointer);
