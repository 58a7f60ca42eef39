/* Where what outlives a process is kept: ledger, caches, lists of sessions. */
#pragma once

#include <stddef.h>

#include "base/base.h"
#include "warren/error.h"

/*
 * Path of `file` in the state directory: WARREN_STATE_DIR, else $XDG_STATE_HOME/warren, else
 * ~/.local/state/warren. The directory is made with mode 0700 when it is missing, and links on the
 * way to it are resolved. FAILED_PRECONDITION when there is no home directory either.
 */
int wr_state_path(const char *file, char *ret, size_t cap, struct wr_error *err) WR_MUST_CHECK;
