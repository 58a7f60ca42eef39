#include "engine/cgroup/cgroup_v1.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/cgroup/hierarchy.h"

static int prepare(struct wr_hierarchy *h, struct wr_error *err)
{
    if (!(h->controllers & WR_CONTROLLER_MEMORY))
        return 0;
    h->has_swap_limit = faccessat(h->fd, "memory.memsw.limit_in_bytes", F_OK, 0) == 0;
    if (h->has_swap_limit)
        return 0;
    /* Without swap accounting nothing may swap; leaves inherit this, so that it costs nothing per
     * sandbox. */
    return wr_hierarchy_write(h, NULL, "memory.swappiness", "0", err);
}

/* memsw may never be below the memory limit, so the order depends on the direction of the change.
 */
static int set_memory(const struct wr_hierarchy *h, const char *leaf, uint64_t max_bytes,
                      struct wr_error *err)
{
    static const char *const memory = "memory.limit_in_bytes";
    static const char *const memory_swap = "memory.memsw.limit_in_bytes";
    char value[24] = "-1";
    if (max_bytes)
        snprintf(value, sizeof(value), "%llu", (unsigned long long)max_bytes);

    if (!h->has_swap_limit)
        return wr_hierarchy_write(h, leaf, memory, value, err);
    int r = wr_hierarchy_write(h, leaf, memory, value, err);
    if (r == 0)
        return wr_hierarchy_write(h, leaf, memory_swap, value, err);
    if (err->os_errno != EINVAL)
        return r;
    r = wr_hierarchy_write(h, leaf, memory_swap, value, err);
    return r < 0 ? r : wr_hierarchy_write(h, leaf, memory, value, err);
}

static int set_cpu(const struct wr_hierarchy *h, const char *leaf, uint32_t cpu_millis,
                   struct wr_error *err)
{
    if (!cpu_millis)
        return wr_hierarchy_write(h, leaf, "cpu.cfs_quota_us", "-1", err);
    uint64_t quota_us = 0, period_us = 0;
    wr_cpu_bandwidth(cpu_millis, &quota_us, &period_us);
    int r = wr_hierarchy_write_u64(h, leaf, "cpu.cfs_period_us", period_us, err);
    if (r == 0)
        r = wr_hierarchy_write_u64(h, leaf, "cpu.cfs_quota_us", quota_us, err);
    if (r < 0 && err->os_errno == EINVAL) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, EINVAL,
                       "%u.%03u CPUs are more than %.96s allows: raise the CPU limit of that group",
                       cpu_millis / 1000, cpu_millis % 1000, h->label);
    }
    return r;
}

static int stats(const struct wr_hierarchy *h, const char *leaf, struct wr_cgroup_stats *ret,
                 struct wr_error *err)
{
    int r = 0;
    if (h->controllers & WR_CONTROLLER_MEMORY) {
        r = wr_hierarchy_read_u64(h, leaf, "memory.usage_in_bytes", &ret->memory_bytes, err);
        if (r == 0) {
            r = wr_hierarchy_read_u64(h, leaf, "memory.max_usage_in_bytes", &ret->memory_peak_bytes,
                                      err);
        }
        if (r == 0) {
            r = wr_hierarchy_read_u64(h, leaf, "memory.limit_in_bytes", &ret->memory_limit_bytes,
                                      err);
        }
        /* "No limit" is the largest page-aligned number. */
        if (r == 0 && ret->memory_limit_bytes >= (uint64_t)1 << 62)
            ret->memory_limit_bytes = 0;
        if (r == 0) {
            r = wr_hierarchy_read_key(h, leaf, "memory.oom_control", "oom_kill", &ret->oom_kills,
                                      err);
        }
    }
    if (r == 0 && (h->controllers & WR_CONTROLLER_PIDS))
        r = wr_hierarchy_read_u64(h, leaf, "pids.current", &ret->pids, err);
    return r;
}

static int join_fd(const struct wr_hierarchy *h, const char *leaf)
{
    char path[NAME_MAX + 1];
    snprintf(path, sizeof(path), "%s/tasks", leaf);
    int fd = openat(h->fd, path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

const struct wr_hierarchy_ops wr_hierarchy_v1 = {
    .cache_key = "cache",
    .shmem_key = "shmem",
    .prepare = prepare,
    .set_memory = set_memory,
    .set_cpu = set_cpu,
    .stats = stats,
    .join_fd = join_fd,
};
