/*
 * Closing descriptors that came out of a sandbox. The last close of a TCP socket with SO_LINGER
 * waits until the other side has taken everything, for as long as the socket's owner liked, and
 * such a socket can also lie in the queue of a Unix socket. A signal ends that wait, so a timer
 * runs while they are closed.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

/* A handler for SIGALRM that does nothing. Once; forks inherit it. 0 or a negative errno. */
int wr_hostile_close_init(void) WR_MUST_CHECK;
/* From `on` until off every close takes 20 ms at most. Uses ITIMER_REAL, which forks do not
 * inherit.
 */
void wr_hostile_close_limit(bool on);
/* Closes them (-1: none) within that limit. */
void wr_hostile_close(const int *fds, size_t count);
