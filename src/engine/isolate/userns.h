/* User namespaces that exist only for their id map: mount_setattr(MOUNT_ATTR_IDMAP) takes one. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* A namespace that maps 0 .. count-1 to host ids base .. base+count-1. *ret_fd is the caller's.
 * Costs a fork (about 0.2 ms). */
int wr_userns_new(uid_t host_base, uint32_t count, int *ret_fd, struct wr_error *err) WR_MUST_CHECK;
/* Writes /proc/<pid>/{uid,gid}_map of another process: 0 .. count-1 to host_base. */
int wr_userns_write_maps(pid_t pid, uid_t host_base, uint32_t count, struct wr_error *err)
    WR_MUST_CHECK;
