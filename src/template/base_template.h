/*
 * The base template: Debian trixie with Python, Node and the tools that programs expect, made by
 * mmdebstrap into one layer that is named by the hash of its definition, so that making it again
 * costs nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct wr_base_opts {
    const char *name; /* NULL: "base" */
    bool force;       /* make the layer again although it is there */
    FILE *progress;   /* NULL: silent; a bar when it is a terminal, else a line every few seconds */
    bool *ret_was_there; /* optional: set when the layer already existed */
};

/*
 * Makes the layer (about a minute, 300 MB of downloads) unless it exists, and writes the manifest
 * templates/<name>.json. Runs mmdebstrap as a child; SIGINT and SIGTERM end it and leave nothing
 * half-made (CANCELED). Needs root. FAILED_PRECONDITION names a missing tool; UNAVAILABLE says that
 * the download failed, with the last line of the tool.
 */
int wr_template_make_base(int data_dirfd, const struct wr_base_opts *opts, struct wr_error *err)
    WR_MUST_CHECK;

/* Hash of the definition: the name of the base layer. `out` holds 65 bytes. */
int wr_base_layer_hash(char out[static 65], struct wr_error *err) WR_MUST_CHECK;
