/* Where the program `warren` is, for a library that has to start a server. */
#pragma once

#include "base/error.h"

/* `given` (may be NULL), else WARREN_EXECUTABLE, `warren` beside this library or program, on PATH.
 * *ret is the caller's. NOT_FOUND says where it was looked for. */
int wr_executable_find(const char *given, char **ret, struct wr_error *err) WR_MUST_CHECK;
