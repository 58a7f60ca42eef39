/* The server's own directory, <data-dir>/server: made by root, owned by the server's user. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* The data directory exists. FAILED_PRECONDITION when that user cannot get there. 0700; what is in
 * it changes hands when the server's user has changed. *ret_path is the caller's. */
int wr_state_dir_make(const char *data_dir, uid_t uid, gid_t gid, char **ret_path,
                      struct wr_error *err) WR_MUST_CHECK;
