/* Can this host dump and restore? A small process tree in namespaces of its own, with a listening
 * socket, is dumped and brought back. Takes some 0.1 s: for a job. */
#pragma once

#include "engine/snapshot/criu.h"

/* `scratch_dirfd`: a directory for the image, emptied again. FAILED_PRECONDITION says what does not
 * work, and what would. */
int wr_checkpoint_selftest(const struct wr_criu *criu, int scratch_dirfd, struct wr_error *err)
    WR_MUST_CHECK;
