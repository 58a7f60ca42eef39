/*
 * Templates from a root file system that the user has: a directory, or a tar archive (plain, gzip,
 * xz, zstd). Archives are hostile input: they are unpacked by a forked child that is chrooted into
 * the new layer.
 */
#pragma once

#include <stdio.h>

#include "base/error.h"

/*
 * Copies or unpacks `source` into a new layer and writes the manifest templates/<name>.json. The
 * default user is `user` if /etc/passwd inside has it, else root. Progress lines go to `progress`
 * (NULL: silent). Needs root. INVALID_ARGUMENT names the entry of an archive that is refused
 * (absolute path, "..", a path through a symbolic link, device node); FAILED_PRECONDITION when the
 * tree has no /bin/sh; ALREADY_EXISTS when the name is taken.
 */
int wr_template_import(int data_dirfd, const char *name, const char *source, FILE *progress,
                       struct wr_error *err) WR_MUST_CHECK;
