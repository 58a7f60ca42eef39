/*
 * A child of the nest that starts in a sandbox's control groups (and network namespace): the nest
 * goes there for a moment, clones, and comes home, whatever happened. If it cannot, it exits: a
 * nest in foreign groups would be charged and killed with them.
 */
#pragma once

#include <sys/types.h>

#include "nest/nest.h"

struct wr_clone_plan {
    uint64_t flags;   /* CLONE_NEW* */
    const int *tasks; /* v1 tasks files */
    size_t v1_count;
    int v2_dir;                   /* -1: none */
    int netns_fd;                 /* -1: the nest's own */
    void (*run)(const void *arg); /* in the child; does not return */
    const void *arg;
};

/* The pid, in the nest's pid namespace; *ret_pidfd is the caller's. */
pid_t wr_nest_clone(struct wr_nest *nest, const struct wr_clone_plan *plan, int *ret_pidfd,
                    struct wr_error *err) WR_MUST_CHECK;
