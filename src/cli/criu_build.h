/* Runs tools/build-criu, whose text is part of this program. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct wr_criu_build_opts {
    const char *directory; /* of the binary, made if missing */
    FILE *progress;        /* NULL: none */
};

/* Leaves the program <directory>/criu; `ret_was_there` when nothing had to be built. Needs root
 * where packages are missing, a network where the binary is. CANCELED after SIGINT, SIGTERM or
 * SIGHUP; packages that were installed stay. */
int wr_criu_build(const struct wr_criu_build_opts *opts, bool *ret_was_there, struct wr_error *err)
    WR_MUST_CHECK;
