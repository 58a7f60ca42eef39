/* Loop devices: a block device over an image file. They detach themselves when the last user (mount
 * or descriptor) is gone. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

#define WR_LOOP_PATH_MAX 32

/* Whether the block device at `path` is a loop device over the file that `image` describes. */
bool wr_loop_backs(const char *path, const struct stat *image);
/*
 * Opens the loop device over `image_fd`: the one that there is, or a new one with direct I/O (the
 * image's pages would otherwise be cached twice). *ret_fd is owned by the caller and keeps the
 * device until it is mounted.
 */
int wr_loop_open(int image_fd, char ret_path[static WR_LOOP_PATH_MAX], int *ret_fd,
                 struct wr_error *err) WR_MUST_CHECK;
