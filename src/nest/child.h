/*
 * The start of a sandbox, seen from inside: what the child of clone3 does until it is the agent.
 * Every failure is written to the status pipe as a struct wr_error, so that the user sees the real
 * cause.
 */
#pragma once

#include <linux/filter.h>

#include "base/error.h"
#include "nest/protocol.h"

struct wr_child_plan {
    const struct wr_nest_request *request;
    char *config; /* JSON of request->config_len bytes; the child wipes its copy */
    const struct sock_filter *seccomp;
    size_t seccomp_count;
    int root_fd;           /* detached overlay mount */
    const int *volume_fds; /* detached mounts, request->volume_count of them */
    int listen_fd;         /* agent's socket */
    int interpreter_fd;    /* interpreter service's socket */
    int go_fd;             /* one byte arrives when the id maps are written */
    int status_fd;         /* write end of the status pipe */
    char *argv0;           /* memory of the nest's own command line, overwritten */
    size_t argv0_len;
};

/* Never returns: ends as PID 1 of the sandbox. */
void wr_child_run(const struct wr_child_plan *plan) WR_NORETURN;
