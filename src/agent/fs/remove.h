/*
 * Removal of whole trees: of any depth, with a fixed number of descriptors, no recursion, no link
 * followed and no mount crossed, in slices between the loop's other work.
 */
#pragma once

#include "agent/fs/filesystem.h"
#include "rpc/answer.h"

#define WR_REMOVE_MAX_AT_ONCE 16

/* Removes `path` (absolute); one that is not there is a success. Answers the call, now or later;
 * when its client has left, the removal goes on. On failure nothing was answered. */
int wr_remove(struct wr_filesystem *fs, const struct wr_connect_out *out, const char *path,
              struct wr_error *err) WR_MUST_CHECK;
/* Stops all that are under way. */
void wr_remove_cancel_all(struct wr_filesystem *fs);
