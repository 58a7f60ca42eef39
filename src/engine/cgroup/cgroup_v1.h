/* One v1 hierarchy with some of memory, cpu and pids. See docs/internals/cgroups.md. */
#pragma once

struct wr_hierarchy_ops;

extern const struct wr_hierarchy_ops wr_hierarchy_v1;
