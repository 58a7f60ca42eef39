/* The v2 hierarchy: limits of the controllers that it has, freezing, killing and CPU time always.
 * See docs/internals/cgroups.md. */
#pragma once

#include "base/error.h"

struct wr_hierarchy;
struct wr_hierarchy_ops;

extern const struct wr_hierarchy_ops wr_hierarchy_v2;

/*
 * Makes `controllers` (enum wr_controller bits) available to the children of the directory, writing
 * only what is not yet so. `what` names it in messages.
 */
int wr_cgroup_v2_enable(int dirfd, const char *what, unsigned controllers, struct wr_error *err)
    WR_MUST_CHECK;
