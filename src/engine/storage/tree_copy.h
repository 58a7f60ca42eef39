/*
 * A faithful copy of a directory tree that a sandbox has written: owners, modes, times, extended
 * attributes, hard links, holes, device nodes (the marks of deleted files among them), sockets and
 * fifos. For file systems that cannot clone a tree as a whole.
 */
#pragma once

#include "base/base.h"

/*
 * Copies the directory `name` in `src_fd` to the same name in `dst_fd`, which has to be empty but
 * for a later `name` and lies on the same file system. Nothing else may change either meanwhile. No
 * link is followed, nothing but files and directories is opened, whatever the depth is. Shares
 * blocks where the file system can. 0 or -errno; what was copied by then stays.
 */
int wr_tree_copy(int src_fd, int dst_fd, const char *name) WR_MUST_CHECK;
