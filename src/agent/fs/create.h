/* Creating files on behalf of a user. */
#pragma once

#include "agent/user.h"
#include "base/error.h"

/*
 * Opens `path` for writing, empty: missing parents are made with 0755 and given to the user, as is
 * the file itself (mode 0644 when new). The order (create or open, chown, truncate) is what
 * watchers of the directory are promised. WR_E_INVALID_ARGUMENT: a directory or another thing that
 * is no regular file; WR_E_RESOURCE_EXHAUSTED: no space; WR_E_INTERNAL: anything else.
 */
int wr_file_create(const char *path, const struct wr_user *user, int *ret_fd, struct wr_error *err)
    WR_MUST_CHECK;

/* "error <what> '<path>': <errno>": WR_E_RESOURCE_EXHAUSTED when the disk or a quota is full, else
 * WR_E_INTERNAL. Returns -code. */
int wr_file_fail(struct wr_error *err, int os_errno, const char *what, const char *path);
