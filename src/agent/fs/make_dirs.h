/* Making directories on behalf of a user. */
#pragma once

#include "agent/user.h"
#include "base/error.h"

/* Makes `path` and its missing parents, 0755, all of them the user's. What is there already stays
 * as it is. INTERNAL, or RESOURCE_EXHAUSTED when the disk is full. */
int wr_make_dirs(const char *path, const struct wr_user *user, struct wr_error *err) WR_MUST_CHECK;
/* The same for the directory that `path` is in. */
int wr_make_parent_dirs(const char *path, const struct wr_user *user, struct wr_error *err)
    WR_MUST_CHECK;
