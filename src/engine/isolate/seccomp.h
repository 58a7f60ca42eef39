/* The system call filter of everything inside a sandbox: an allow-list, compiled once by
 * libseccomp. */
#pragma once

#include "base/error.h"

enum wr_seccomp_kind {
    WR_SECCOMP_SANDBOX,
    /* The same, and what a zygote needs to put a fork into a sandbox: setns, clone3. Its forks add
     * a filter without them. */
    WR_SECCOMP_ZYGOTE,
};

/* *ret_fd (the caller's) is a memfd with the BPF program (struct sock_filter array). */
int wr_seccomp_compile(enum wr_seccomp_kind kind, int *ret_fd, struct wr_error *err) WR_MUST_CHECK;
