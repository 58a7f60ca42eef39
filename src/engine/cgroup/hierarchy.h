/*
 * Where control groups are on this host, and the vtable of the two kinds of hierarchy.
 *
 * Each of the controllers memory, cpu and pids sits either in a v1 hierarchy or in the v2
 * hierarchy; any mixture works. The v2 hierarchy is needed in every case: it freezes, kills and
 * counts CPU time even when it has no controller.
 */
#pragma once

#include "engine/cgroup/cgroup.h"

/* The controllers that limit a sandbox, as bits. */
enum wr_controller {
    WR_CONTROLLER_MEMORY = 1,
    WR_CONTROLLER_CPU = 2,
    WR_CONTROLLER_PIDS = 4,
};
#define WR_CONTROLLERS_ALL 7U

#define WR_CGROUP_PATH_MAX 1024
/* One hierarchy per controller at most. */
#define WR_CGROUP_V1_USED  3

struct wr_cgroup_place {
    unsigned controllers; /* enum wr_controller bits */
    bool read_only;
    char mount[WR_CGROUP_PATH_MAX]; /* directory of the hierarchy's mount */
    char own[WR_CGROUP_PATH_MAX];   /* the calling process's group below it: "" or "/a/b" */
};

struct wr_cgroup_layout {
    struct wr_cgroup_place v1[WR_CGROUP_V1_USED];
    size_t v1_count;
    bool has_v2;
    struct wr_cgroup_place v2; /* controllers: 0, the mount has to be asked */
};

/* Finds the hierarchies in the texts of /proc/self/mountinfo and /proc/self/cgroup. Touches no
 * file. */
int wr_cgroup_layout_parse(const char *mountinfo, const char *self_cgroup,
                           struct wr_cgroup_layout *ret, struct wr_error *err) WR_MUST_CHECK;
/* The bits named in a blank- or comma-separated list ("cpu io memory pids"). */
unsigned wr_controllers_parse(const char *list);
/* "memory, cpu" for messages. */
void wr_controllers_format(unsigned bits, char *out, size_t cap);

/*
 * Quota and period of the CFS bandwidth controller for so many thousandths of a CPU (> 0).
 * The period is 20 ms instead of the kernel's 100 ms: a sandbox that has used up its quota, its
 * agent included, stands still until the period ends. Below 0.05 CPU it grows, since the kernel
 * refuses quotas under 1 ms.
 */
void wr_cpu_bandwidth(uint32_t cpu_millis, uint64_t *ret_quota_us, uint64_t *ret_period_us);

struct wr_hierarchy {
    const struct wr_hierarchy_ops *ops;
    unsigned controllers;                /* those whose limits are kept here */
    bool has_swap_limit;                 /* v1 memory: memory.memsw.limit_in_bytes exists */
    int parent_fd;                       /* directory in which the instance directory is */
    int fd;                              /* instance directory */
    char label[WR_CGROUP_PATH_MAX + 80]; /* path of the instance directory, for messages */
};

struct wr_hierarchy_ops {
    /* In memory.stat: page cache, and the part of it that is shared memory and tmpfs. */
    const char *cache_key, *shmem_key;
    /* After the instance directory was made or found: what its leaves inherit. */
    int (*prepare)(struct wr_hierarchy *h, struct wr_error *err);
    /* Limits of a leaf; 0: none. */
    int (*set_memory)(const struct wr_hierarchy *h, const char *leaf, uint64_t max_bytes,
                      struct wr_error *err);
    /* NULL: swap is part of the memory limit. */
    int (*set_swap)(const struct wr_hierarchy *h, const char *leaf, uint64_t max_bytes,
                    struct wr_error *err);
    int (*set_cpu)(const struct wr_hierarchy *h, const char *leaf, uint32_t cpu_millis,
                   struct wr_error *err);
    /* Fills the fields that this hierarchy knows. */
    int (*stats)(const struct wr_hierarchy *h, const char *leaf, struct wr_cgroup_stats *ret,
                 struct wr_error *err);
    /* A descriptor by which a process gets into the leaf, or -errno. */
    int (*join_fd)(const struct wr_hierarchy *h, const char *leaf);
};

/* The limits that this hierarchy keeps. `fresh`: the leaf was just made, so defaults need no write.
 */
int wr_hierarchy_set_limits(const struct wr_hierarchy *h, const char *leaf,
                            const struct wr_cgroup_limits *limits, bool fresh, struct wr_error *err)
    WR_MUST_CHECK;

/* Helpers of both kinds. "file" is relative to the instance directory. 0 or filled `err`. */
int wr_hierarchy_write(const struct wr_hierarchy *h, const char *leaf, const char *file,
                       const char *value, struct wr_error *err) WR_MUST_CHECK;
int wr_hierarchy_write_u64(const struct wr_hierarchy *h, const char *leaf, const char *file,
                           uint64_t value, struct wr_error *err) WR_MUST_CHECK;
/* 0 is written as "max". */
int wr_hierarchy_write_or_max(const struct wr_hierarchy *h, const char *leaf, const char *file,
                              uint64_t value, struct wr_error *err) WR_MUST_CHECK;
/* A number, or "max" (reported as 0). */
int wr_hierarchy_read_u64(const struct wr_hierarchy *h, const char *leaf, const char *file,
                          uint64_t *ret, struct wr_error *err) WR_MUST_CHECK;
struct wr_hierarchy_key {
    const char *name;
    uint64_t value;
    bool found;
};
/* The numbers after these keys, each `found`, in a file of "key number" lines; all must be there.
 */
int wr_hierarchy_read_keys(const struct wr_hierarchy *h, const char *leaf, const char *file,
                           struct wr_hierarchy_key *keys, size_t count, struct wr_error *err)
    WR_MUST_CHECK;
/* The same with one key. */
int wr_hierarchy_read_key(const struct wr_hierarchy *h, const char *leaf, const char *file,
                          const char *key, uint64_t *ret, struct wr_error *err) WR_MUST_CHECK;
