/* The system call filter of everything inside a sandbox: an allow-list, compiled once by
 * libseccomp. */
#pragma once

#include "base/error.h"

/* *ret_fd (the caller's) is a memfd with the BPF program (struct sock_filter array). */
int wr_seccomp_compile(int *ret_fd, struct wr_error *err) WR_MUST_CHECK;
