#include "engine/cgroup/cgroup_v2.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup/hierarchy.h"

int wr_cgroup_v2_enable(int dirfd, const char *what, unsigned controllers, struct wr_error *err)
{
    static const struct {
        unsigned bit;
        const char *value;
    } switches[] = {
        {WR_CONTROLLER_MEMORY, "+memory"},
        {WR_CONTROLLER_CPU, "+cpu"},
        {WR_CONTROLLER_PIDS, "+pids"},
    };
    char enabled[512];
    ssize_t r = wr_file_read_line(dirfd, "cgroup.subtree_control", enabled, sizeof(enabled));
    if (r < 0) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, (int)-r,
                       "read cgroup.subtree_control of %.96s", what);
    }
    unsigned missing = controllers & ~wr_controllers_parse(enabled);
    for (size_t i = 0; i < WR_ARRAY_SIZE(switches); i++) {
        if (!(missing & switches[i].bit))
            continue;
        /* One by one, so that the message can name the one that is refused. */
        int w = wr_file_write_str(dirfd, "cgroup.subtree_control", switches[i].value);
        if (w == -EBUSY) {
            return wr_fail(err, WR_E_FAILED_PRECONDITION, EBUSY,
                           "enable %s in %.96s: a group with processes cannot have children with "
                           "controllers; move its processes to a child group first",
                           switches[i].value, what);
        }
        if (w == -EINVAL && switches[i].bit == WR_CONTROLLER_CPU) {
            return wr_fail(err, WR_E_FAILED_PRECONDITION, EINVAL,
                           "enable +cpu in %.96s: stop the processes with a real-time scheduling "
                           "policy that are outside of the root group",
                           what);
        }
        if (w < 0) {
            bool denied = w == -EACCES || w == -EPERM;
            return wr_fail(err, WR_E_FAILED_PRECONDITION, -w, "enable %s in %.96s%s",
                           switches[i].value, what,
                           denied ? ": run the engine as root of the host" : "");
        }
    }
    return 0;
}

static int prepare(struct wr_hierarchy *h, struct wr_error *err)
{
    return h->controllers ? wr_cgroup_v2_enable(h->fd, h->label, h->controllers, err) : 0;
}

/*
 * memory.oom.group stays 0, the default: the kernel kills the process that used too much, and the
 * sandbox with its agent (whose oom_score_adj is lower) goes on.
 */
static int set_memory(const struct wr_hierarchy *h, const char *leaf, uint64_t max_bytes,
                      struct wr_error *err)
{
    int r = wr_hierarchy_write_or_max(h, leaf, "memory.max", max_bytes, err);
    if (r < 0)
        return r;
    /* The limit includes swap, hence no swap beside it. A kernel without swap has no such file. */
    r = wr_hierarchy_write(h, leaf, "memory.swap.max", max_bytes ? "0" : "max", err);
    return r < 0 && err->os_errno == ENOENT ? 0 : r;
}

static int set_swap(const struct wr_hierarchy *h, const char *leaf, uint64_t max_bytes,
                    struct wr_error *err)
{
    int r = wr_hierarchy_write_u64(h, leaf, "memory.swap.max", max_bytes, err);
    return r < 0 && err->os_errno == ENOENT ? 0 : r;
}

static int set_cpu(const struct wr_hierarchy *h, const char *leaf, uint32_t cpu_millis,
                   struct wr_error *err)
{
    if (!cpu_millis)
        return wr_hierarchy_write(h, leaf, "cpu.max", "max", err);
    uint64_t quota_us = 0, period_us = 0;
    char value[48];
    wr_cpu_bandwidth(cpu_millis, &quota_us, &period_us);
    snprintf(value, sizeof(value), "%" PRIu64 " %" PRIu64, quota_us, period_us);
    return wr_hierarchy_write(h, leaf, "cpu.max", value, err);
}

static int stats(const struct wr_hierarchy *h, const char *leaf, struct wr_cgroup_stats *ret,
                 struct wr_error *err)
{
    /* Every v2 group counts CPU time, whether it has the cpu controller or not. */
    int r = wr_hierarchy_read_key(h, leaf, "cpu.stat", "usage_usec", &ret->cpu_usec, err);
    if (r == 0 && (h->controllers & WR_CONTROLLER_MEMORY)) {
        r = wr_hierarchy_read_u64(h, leaf, "memory.current", &ret->memory_bytes, err);
        if (r == 0)
            r = wr_hierarchy_read_u64(h, leaf, "memory.peak", &ret->memory_peak_bytes, err);
        if (r == 0)
            r = wr_hierarchy_read_u64(h, leaf, "memory.max", &ret->memory_limit_bytes, err);
        if (r == 0)
            r = wr_hierarchy_read_key(h, leaf, "memory.events", "oom_kill", &ret->oom_kills, err);
    }
    if (r == 0 && (h->controllers & WR_CONTROLLER_PIDS))
        r = wr_hierarchy_read_u64(h, leaf, "pids.current", &ret->pids, err);
    return r;
}

/* A mount of the leaf alone, attached nowhere: the nest keeps this descriptor while its sandbox
 * lives, and from a plain directory ".." would lead whoever took the nest over to the host's root.
 * Kernels before 6.15 refuse it for a hierarchy that the engine has mounted for itself; ".." then
 * ends at the root of that one. */
static int join_fd(const struct wr_hierarchy *h, const char *leaf)
{
    int fd = open_tree(h->fd, leaf, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

    if (fd < 0)
        fd = openat(h->fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

const struct wr_hierarchy_ops wr_hierarchy_v2 = {
    .cache_key = "file",
    .shmem_key = "shmem",
    .prepare = prepare,
    .set_memory = set_memory,
    .set_swap = set_swap,
    .set_cpu = set_cpu,
    .stats = stats,
    .join_fd = join_fd,
};
