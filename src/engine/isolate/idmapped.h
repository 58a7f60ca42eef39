/* Private copies of a mount that show files with the ids of one sandbox. */
#pragma once

#include "base/error.h"

/*
 * *ret_fd (the caller's) is a detached mount of the directory with nodev and `extra_attr`
 * (MOUNT_ATTR_*), which shows the file that belongs to id 0 as that of the first id of `userns_fd`.
 * Nothing that is mounted elsewhere appears in it. `what` names it in errors.
 */
int wr_idmapped_clone(int dirfd, int userns_fd, uint64_t extra_attr, const char *what, int *ret_fd,
                      struct wr_error *err) WR_MUST_CHECK;
