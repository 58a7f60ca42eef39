/* A request of the nest, checked. Uses nothing of the C library. */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "nest/zygote_protocol.h"

/* The descriptors of a request, borrowed. */
struct wr_zygote_descriptors {
    int pidfd; /* PID 1 of the sandbox */
    int socket_fd, stdout_fd, stderr_fd;
    const int *tasks; /* request->v1_count */
    int v2_dir;       /* -1: none */
};

/*
 * Checks `len` received bytes and the number of descriptors that came with them. 0, or -EPROTO (not
 * a request; its sequence cannot be trusted), -EINVAL (a field is out of range), -ENOTSUP (not this
 * language).
 */
int wr_zygote_request_check(const struct wr_zygote_request *request, ssize_t len, const int *fds,
                            size_t fd_count, struct wr_zygote_descriptors *ret) WR_MUST_CHECK;
