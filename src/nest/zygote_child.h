/*
 * The start of a zygote, seen from inside: what the child of clone3 does until it is the
 * template's Python. A failure is told on its socket like a failure of the warming.
 */
#pragma once

#include "nest/protocol.h"

struct wr_zygote_plan {
    const struct wr_nest_request *request;
    int root_fd;    /* detached overlay mount */
    int seccomp_fd; /* memfd with its filter */
    int sock;       /* becomes fd 3 */
};

void wr_zygote_child_run(const struct wr_zygote_plan *plan) WR_NORETURN;
