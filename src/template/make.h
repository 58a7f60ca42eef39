/*
 * Makes the templates of definition.h. Each layer is named by the hash of its definition, so that
 * making a template again costs nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "template/definition.h"

struct wr_make_opts {
    const char *name; /* NULL: the definition's */
    bool force;       /* make the topmost layer again although it is there */
    FILE *progress;   /* NULL: silent; a bar when it is a terminal, else a line every few seconds */
    bool *ret_was_there; /* optional: set when every layer already existed */
};

/*
 * Makes the layers that are missing, those below first, and writes the manifest
 * templates/<name>.json. Runs external programs as children; SIGINT and SIGTERM end them and leave
 * nothing half-made (CANCELED), as does a time limit (DEADLINE_EXCEEDED). Needs root.
 * FAILED_PRECONDITION names a missing tool, ALREADY_EXISTS a name that another template has,
 * UNAVAILABLE says that a download failed, with the line that told it.
 */
int wr_template_make(int data_dirfd, const struct wr_definition *d, const struct wr_make_opts *opts,
                     struct wr_error *err) WR_MUST_CHECK;
