/*
 * One message of an AF_UNIX SOCK_SEQPACKET socket: bytes plus file descriptors (SCM_RIGHTS).
 * All descriptors are close-on-exec. Used by server <-> engine <-> nest.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"

#define WR_MESSAGE_MAX_FDS 32

/* 0 or -errno (-EAGAIN on a full non-blocking socket). */
int wr_message_send(int sock, const void *data, size_t len, const int *fds, size_t fd_count)
    WR_MUST_CHECK;
/* The length (0 = peer closed) or -errno. `fds` receives up to WR_MESSAGE_MAX_FDS owned
 * descriptors. A message larger than `cap`, or with more descriptors, is dropped whole with
 * -EMSGSIZE. When this process cannot have more descriptors, the message comes without any: what it
 * says must not be lost with them. */
ssize_t wr_message_recv(int sock, void *data, size_t cap, int fds[static WR_MESSAGE_MAX_FDS],
                        size_t *ret_fd_count) WR_MUST_CHECK;
/* A connected pair, close-on-exec. 0 or -errno. */
int wr_message_pair(int ret_socks[static 2]) WR_MUST_CHECK;
