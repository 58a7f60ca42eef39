/* Paths as clients give them: for files and for a process's working directory. */
#pragma once

#include <limits.h>

#include "agent/user.h"
#include "base/error.h"

/*
 * Empty: `default_workdir`, or the user's home when that is empty too. "~" and "~/x": the user's
 * home. Absolute: as it is. Relative: joined to the HOME (not the workdir) and cleaned of ".", ".."
 * and double slashes. `out` holds PATH_MAX bytes. WR_E_INVALID_ARGUMENT for "~other" and for what
 * is too long.
 */
int wr_path_resolve(const char *path, const struct wr_user *user, const char *default_workdir,
                    char out[static PATH_MAX], struct wr_error *err) WR_MUST_CHECK;
/* The last component, without trailing slashes; "/" for the root. Borrowed from `path`; its length
 * in *ret_len. */
const char *wr_path_base(const char *path, size_t *ret_len);
/* Without ".", "..", double and trailing slashes; `path` is absolute. False when it does not fit.
 */
bool wr_path_clean(const char *path, char out[static PATH_MAX]) WR_MUST_CHECK;
