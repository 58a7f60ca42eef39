/* Limits that belong to the user namespace of a sandbox. Shared with the engine, because they are
 * not in a checkpoint: whoever restores one sets them again. */
#pragma once

#include "base/error.h"

/* user.max_* of the own user namespace: no nested user namespaces, a bounded number of inotify
 * instances. Needs /proc/sys writable still. */
int wr_userns_limits_apply(struct wr_error *err) WR_MUST_CHECK;
