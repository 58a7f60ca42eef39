/*
 * Whole small files, relative to a directory descriptor (AT_FDCWD allowed). None of these is for
 * paths that a sandbox controls.
 */
#pragma once

#include <sys/types.h>

#include "base/buf.h"

/* Reads the whole file into `out` (initialised by the caller; its maximum bounds the read).
 * 0, or a negative errno; -EFBIG when it is larger than the buffer's maximum. */
int wr_file_read(int dirfd, const char *path, struct wr_buf *out) WR_MUST_CHECK;
/* Reads at most cap-1 bytes into a NUL-terminated array and strips the trailing newline. Length or
 * -errno. */
ssize_t wr_file_read_line(int dirfd, const char *path, char *out, size_t cap) WR_MUST_CHECK;
/* One write() of a NUL-terminated string to an existing file (cgroupfs, procfs). 0 or -errno. */
int wr_file_write_str(int dirfd, const char *path, const char *value) WR_MUST_CHECK;

enum wr_durability {
    WR_VOLATILE = 0, /* temp + rename: survives a crash of the process */
    WR_DURABLE = 1,  /* temp + fsync + rename + fsync of the directory: survives a power cut */
};
/* Replaces `path` atomically. 0 or -errno; nothing is left behind on failure. */
int wr_file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
                    enum wr_durability durability) WR_MUST_CHECK;

/* Removes a tree without following links and without crossing mounts; a missing path is success.
 * 0 or the first -errno (it removes what it can). */
int wr_remove_tree(int dirfd, const char *path) WR_MUST_CHECK;
/* mkdir -p with one mode for all that it makes. 0 or -errno. */
int wr_mkdir_parents(int dirfd, const char *path, mode_t mode) WR_MUST_CHECK;
