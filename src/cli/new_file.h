/* A file of the host that comes from elsewhere: whole, or as it was. */
#pragma once

#include "base/error.h"

/* Calls `fill` with a new file beside `path` (0644), which then takes the place of `path`; after a
 * failure the old content is still there. */
int wr_new_file(const char *path, int (*fill)(int fd, void *data, struct wr_error *err), void *data,
                struct wr_error *err) WR_MUST_CHECK;
