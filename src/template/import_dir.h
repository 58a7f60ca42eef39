/* Copying of a directory tree, with owners, modes, times, extended attributes, links and FIFOs. */
#pragma once

#include "template/worker.h"

/*
 * Copies the tree below source_fd into root_fd. Symbolic links are copied, never followed; other
 * file systems mounted inside and the directory `avoid_fd` (where layers are kept) come out as
 * empty directories.
 */
int wr_import_dir(struct wr_worker *w, int source_fd, int root_fd, int avoid_fd,
                  struct wr_error *err) WR_MUST_CHECK;
