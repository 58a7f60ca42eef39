/*
 * Limits and accounting of a sandbox by control groups: v2, v1 controllers, or hybrid (v1
 * controllers plus a v2 hierarchy without them). In every case there is a v2 leaf, which freezes,
 * kills and counts CPU time. Two small implementations behind one vtable; nobody else knows which
 * it is. All directories live below one per hierarchy, named after the engine's instance: v1
 * <mount>/<own cgroup>/warren-<instance>/<name>, v2 <mount>/warren-<instance>/<name>.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct wr_cgroup_root;
struct wr_cgroup;

struct wr_cgroup_limits {
    uint64_t memory_max_bytes; /* swap included; 0: no limit */
    uint32_t cpu_millis;       /* 0: no limit */
    uint32_t pids_max;         /* 0: no limit */
};

struct wr_cgroup_stats {
    uint64_t memory_bytes;
    uint64_t memory_peak_bytes;
    uint64_t memory_limit_bytes; /* 0: none */
    uint64_t cpu_usec;
    uint64_t pids;
    uint64_t oom_kills;
};

/* How a process gets in. Descriptors are borrowed from the cgroup. A parent that forks a member
 * writes "0" to each v1 tasks file (which moves only itself, without the global lock of
 * cgroup.procs), clones with CLONE_INTO_CGROUP when v2_dir >= 0, and goes back the same way. */
#define WR_CGROUP_MAX_V1 4
struct wr_cgroup_join {
    int v1_tasks[WR_CGROUP_MAX_V1];
    size_t v1_count;
    int v2_dir; /* -1: none */
};

/*
 * Finds the hierarchies (/proc/self/mountinfo), makes the instance directories and enables
 * controllers. `member_uid`, `member_gid`: host ids of the nests, which get just what
 * CLONE_INTO_CGROUP needs (ownership of cgroup.procs of the instance and leaf directories). A
 * missing memory, cpu or pids controller is -WR_E_FAILED_PRECONDITION naming the controller and the
 * remedy.
 */
int wr_cgroup_root_open(const char *instance, uid_t member_uid, gid_t member_gid,
                        struct wr_cgroup_root **ret, struct wr_error *err) WR_MUST_CHECK;
/* Closes descriptors only; directories stay (sandboxes outlive the engine). Accepts NULL, returns
 * NULL. */
struct wr_cgroup_root *wr_cgroup_root_free(struct wr_cgroup_root *root);
/* Removes the instance directories if they are empty. */
void wr_cgroup_root_remove(struct wr_cgroup_root *root);
/* "v2", "hybrid", or "v1": no v2 hierarchy was mounted, so that it is mounted for the engine alone.
 */
const char *wr_cgroup_root_kind(const struct wr_cgroup_root *root);
/* Calls fn for every leaf that exists in any hierarchy (at most once per name). */
int wr_cgroup_root_list(struct wr_cgroup_root *root, void (*fn)(const char *name, void *data),
                        void *data, struct wr_error *err) WR_MUST_CHECK;

/* Names: [a-z0-9] then [a-z0-9._-], at most 63 bytes. The root is borrowed and has to outlive the
 * object. Makes the leaf with these limits, or opens the one that exists (its limits are then set
 * again). Undoes itself on failure. */
int wr_cgroup_new(struct wr_cgroup_root *root, const char *name,
                  const struct wr_cgroup_limits *limits, struct wr_cgroup **ret,
                  struct wr_error *err) WR_MUST_CHECK;
/* Opens an existing leaf (after a restart); NOT_FOUND when a hierarchy lacks it. Limits stay. */
int wr_cgroup_open(struct wr_cgroup_root *root, const char *name, struct wr_cgroup **ret,
                   struct wr_error *err) WR_MUST_CHECK;
/* Closes descriptors only. */
struct wr_cgroup *wr_cgroup_free(struct wr_cgroup *cgroup);
int wr_cgroup_set_limits(struct wr_cgroup *cgroup, const struct wr_cgroup_limits *limits,
                         struct wr_error *err) WR_MUST_CHECK;
struct wr_cgroup_join wr_cgroup_join(const struct wr_cgroup *cgroup);
/* Moves a process out of the v2 group, into the one that the engine was started in. Of v1 groups it
 * stays a member. A job needs wr_cgroup_top_fd() for it: the directory that v2 is mounted on. */
int wr_cgroup_top_fd(const struct wr_cgroup *cgroup);
int wr_cgroup_expel(const struct wr_cgroup *cgroup, pid_t pid, struct wr_error *err) WR_MUST_CHECK;
/* SIGKILL to every member, frozen ones too (cgroup.kill, kernel 5.14). Does not wait. */
int wr_cgroup_kill(struct wr_cgroup *cgroup, struct wr_error *err) WR_MUST_CHECK;
/*
 * Stops or continues every member. Freezing waits until all have stopped, normally 0.2 ms; after 20
 * ms it is -WR_E_UNAVAILABLE while the request stands: ask again, or thaw.
 */
int wr_cgroup_freeze(struct wr_cgroup *cgroup, bool frozen, struct wr_error *err) WR_MUST_CHECK;
/* Whether it was told to, even if not all members have stopped yet. */
bool wr_cgroup_is_freezing(const struct wr_cgroup *cgroup);
/* Blocks until all members of one that is being frozen have stopped. UNAVAILABLE after
 * `timeout_ms`.
 */
int wr_cgroup_wait_frozen(const struct wr_cgroup *cgroup, uint64_t timeout_ms, struct wr_error *err)
    WR_MUST_CHECK;
/* How much of the members' memory may be in swap beside memory_max_bytes; normally nothing. Where
 * the limit counts both together (v1) there is nothing to set. */
int wr_cgroup_set_swap(struct wr_cgroup *cgroup, uint64_t max_bytes, struct wr_error *err)
    WR_MUST_CHECK;
/* rmdir everywhere. 0, or -WR_E_UNAVAILABLE while members are left (try again later). NOT_FOUND
 * counts as success. */
int wr_cgroup_remove(struct wr_cgroup_root *root, const char *name, struct wr_error *err)
    WR_MUST_CHECK;
int wr_cgroup_stats(struct wr_cgroup *cgroup, struct wr_cgroup_stats *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The part of memory_bytes that the kernel gives up before it kills: page cache of files, without
 * shared memory and tmpfs. Apart from the others because it costs more to read. */
int wr_cgroup_cache_bytes(struct wr_cgroup *cgroup, uint64_t *ret, struct wr_error *err)
    WR_MUST_CHECK;
