/* What an imported root file system may hold; one place for archives and directories. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define WR_IMPORT_MAX_ENTRIES 4000000
#define WR_IMPORT_MAX_BYTES   (64 * WR_GIB)
#define WR_IMPORT_MAX_XATTR   65536

enum wr_entry_verdict {
    WR_ENTRY_TAKE = 0,
    WR_ENTRY_SKIP = 1, /* below /dev, /proc or /sys: a sandbox has its own; or a socket */
};

/*
 * Judges an entry by its path, relative to the root of the tree, and its file type (S_IFMT bits).
 * INVALID_ARGUMENT names it when it is absolute, leaves the tree by "..", or is a device node or
 * socket outside the skipped directories.
 */
int wr_entry_judge(const char *path, mode_t type, enum wr_entry_verdict *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Only attributes that mean the same in any layer: user.* and security.capability, nothing of
 * overlayfs. */
bool wr_entry_xattr_allowed(const char *name);
