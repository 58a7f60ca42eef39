/*
 * Unpacks a tar stream that a sandbox made below a directory of the host. The stream is hostile: no
 * entry can name anything outside the directory, whatever symbolic links the stream itself made
 * there before.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

#define WR_TAR_MAX_ENTRIES 1000000

/* The next bytes: their number, 0 at the end, -WR_E_*. */
typedef ssize_t (*wr_tar_read_fn)(void *data, const void **ret, struct wr_error *err);

struct wr_tar_extract {
    int dir_fd; /* borrowed */
    wr_tar_read_fn read;
    void *data;
    uint64_t max_bytes; /* of file content altogether */
    void (*skipped)(const char *path,
                    void *data); /* a device, fifo or socket was left out; `path` is unclean text */
};

/* INVALID_ARGUMENT names a refused entry; RESOURCE_EXHAUSTED above max_bytes or WR_TAR_MAX_ENTRIES.
 * Set-id bits are dropped. */
int wr_tar_extract(const struct wr_tar_extract *opts, struct wr_error *err) WR_MUST_CHECK;
