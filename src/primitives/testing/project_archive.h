/* A project of the caller's side as a tar archive for a sandbox. */
#pragma once

#include <jansson.h>

#include "base/error.h"

#define WR_PROJECT_MAX_BYTES   (2 * WR_GIB)
#define WR_PROJECT_MAX_ENTRIES 200000
#define WR_PROJECT_MAX_NAMED   100 /* of what was left out */

struct wr_project_archive {
    int fd;           /* owned: an archive, plain or compressed by gzip, read from its beginning */
    json_t *left_out; /* owned: paths of links that lead out of the directory, and special files */
};

/*
 * `path`: a directory, or an archive (.tar, .tar.gz, .tar.zst, told by what is in it). Of a
 * directory, what tools make again is left out: .git, __pycache__, .venv, node_modules and caches.
 * NOT_FOUND, INVALID_ARGUMENT, RESOURCE_EXHAUSTED for what is too large.
 */
int wr_project_archive_open(const char *path, struct wr_project_archive *ret, struct wr_error *err)
    WR_MUST_CHECK;
void wr_project_archive_close(struct wr_project_archive *archive);
