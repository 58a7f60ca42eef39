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
/* Who waits for the end of a removal. */
struct wr_remove_client {
    struct wr_exchange *ex;
    /* Called once, unless the client has left: 0, or the first -errno of what resisted. */
    void (*answer)(const struct wr_remove_client *client, int rc, const char *path);
    struct wr_connect_out out; /* for an `answer` that needs it */
};
/* Removes `name` in the directory `parent`, which is taken over in any case. `path` is for
 * messages. 0 when the client was or will be answered, else -errno: -EBUSY when too many are under
 * way. */
int wr_remove_at(struct wr_filesystem *fs, const struct wr_remove_client *client, int parent,
                 const char *name, const char *path) WR_MUST_CHECK;
/* Stops all that are under way. */
void wr_remove_cancel_all(struct wr_filesystem *fs);
