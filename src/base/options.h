/* Structs of options that cross the border of the library: they begin with their size as the caller
 * knows it. */
#pragma once

#include "base/error.h"

/* Copies what the caller gave, `opts` (NULL: nothing), into `ret`, `size` bytes of this version
 * (which struct_size says), and zeroes the rest. INVALID_ARGUMENT when struct_size was not set, or
 * has members set that this version does not know; `what` names the struct. */
int wr_options_read(const void *opts, void *ret, size_t size, const char *what,
                    struct wr_error *err) WR_MUST_CHECK;
