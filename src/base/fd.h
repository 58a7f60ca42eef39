/* File descriptors: ownership, whole reads and writes, and small-file helpers. "No descriptor" is
 * -1. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

/* `wr_auto_close int fd = -1;` closes fd at the end of its scope; errno is kept. */
void wr_close_ptr(const int *fd);
#define wr_auto_close WR_CLEANUP(wr_close_ptr)

/* Closes if >= 0, keeps errno, returns -1 (so: `fd = wr_close(fd);`). */
int wr_close(int fd);
/* Takes the descriptor out of a cleanup variable. */
int wr_steal_fd(int *fd);

/* Writes everything or returns a negative errno. Retries EINTR; for blocking descriptors. */
int wr_write_all(int fd, const void *data, size_t len) WR_MUST_CHECK;
/* Reads until `len` bytes or end of file; the count, or a negative errno. */
ssize_t wr_read_full(int fd, void *data, size_t len) WR_MUST_CHECK;
/* O_NONBLOCK on or off. 0 or a negative errno. */
int wr_fd_set_nonblock(int fd, bool on) WR_MUST_CHECK;
/* FD_CLOEXEC on or off. */
int wr_fd_set_cloexec(int fd, bool on) WR_MUST_CHECK;
