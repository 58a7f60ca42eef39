/* The set of hierarchies that an engine instance uses; shared by root.c and cgroup.c, and opened
 * piecewise by tests. */
#pragma once

#include "engine/cgroup/hierarchy.h"

#define WR_CGROUP_NAME_MAX        63
#define WR_CGROUP_HIERARCHIES_MAX (WR_CGROUP_V1_USED + 1)

struct wr_cgroup_root {
    const char *kind;
    char directory[WR_CGROUP_NAME_MAX + 16]; /* "warren-<instance>" */
    uid_t member_uid;
    gid_t member_gid;
    char own[WR_CGROUP_PATH_MAX]; /* v2: the engine's group below the mount; "" is its top */
    size_t count;
    struct wr_hierarchy hierarchies[WR_CGROUP_HIERARCHIES_MAX]; /* v1 ones first, the v2 one last */
};

/* wr_cgroup_root_open() with what was detected; for tests also with a made-up layout. */
int wr_cgroup_root_attach(const struct wr_cgroup_layout *layout, const char *instance,
                          uid_t member_uid, gid_t member_gid, struct wr_cgroup_root **ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* [a-z0-9] then [a-z0-9._-], at most WR_CGROUP_NAME_MAX: names of instances and leaves. */
bool wr_cgroup_name_valid(const char *name);
