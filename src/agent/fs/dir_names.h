/* The names in one directory, sorted, with a maximum. */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct wr_dir_names {
    char **names; /* owned, ascending; without "." and ".." */
    size_t count, next;
};

/* Reads at most `max` names; with more: RESOURCE_EXHAUSTED. `fd`, a directory at its beginning, is
 * taken over in any case. `ret` is zeroed by the caller, and to be freed on failure as well. */
int wr_dir_names_read(int fd, size_t max, struct wr_dir_names *ret, struct wr_error *err)
    WR_MUST_CHECK;
void wr_dir_names_free(struct wr_dir_names *names);
