/* Unpacking of an archive into a directory, for a worker process that can lose its rights. */
#pragma once

#include "template/worker.h"

/*
 * Gives up everything but root_fd and the rights to make files of any owner: chroot, no new
 * privileges, six capabilities, no network. Then unpacks archive_fd into it.
 */
int wr_import_tar(struct wr_worker *w, int archive_fd, int root_fd, struct wr_error *err)
    WR_MUST_CHECK;
