/* Sockets in a sandbox's network namespace, and what the sandbox uses. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/native.h"
#include "log/log.h"

/* For both families, or only IPv4 on a host without IPv6. -1 with errno. */
static int open_socket(void)
{
    const int off = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 && errno == EAFNOSUPPORT)
        return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
        fd = wr_close(fd);
    return fd;
}

static int open_sockets(size_t count, int *fds, struct wr_error *err)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = open_socket();
        if (fds[i] < 0) {
            int rc = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "open a socket in the sandbox");
            while (i-- > 0)
                wr_close(fds[i]);
            return rc;
        }
    }
    return 0;
}

/* In the sandbox's network namespace. */
static int open_all(const struct wr_instance *instance, size_t count, int *ret_fds,
                    struct wr_egress_sockets *ret_egress, struct wr_error *err)
{
    int rc = open_sockets(count, ret_fds, err);

    if (rc < 0 || !ret_egress)
        return rc;
    *ret_egress = WR_EGRESS_SOCKETS_NONE;
    if (instance->redirect == WR_NEST_REDIRECT_NONE)
        return 0;
    rc = wr_egress_sockets_open(instance->redirect == WR_NEST_REDIRECT_BOTH, ret_egress, err);
    for (size_t i = 0; rc < 0 && i < count; i++)
        ret_fds[i] = wr_close(ret_fds[i]);
    return rc;
}

int wr_instance_sockets(struct wr_instance *instance, size_t count, int *ret_fds,
                        struct wr_egress_sockets *ret_egress, struct wr_error *err)
{
    static int home = -1; /* the host's network namespace; the engine has one thread */

    if (home < 0)
        home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the host's network namespace");
    if (setns(instance->ns_fd, CLONE_NEWNET) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "enter the sandbox's network namespace");
    int rc = open_all(instance, count, ret_fds, ret_egress, err);
    if (setns(home, CLONE_NEWNET) < 0) {
        wr_log(WR_LOG_ERROR, "the engine cannot return to the host's network namespace", NULL);
        abort(); /* the keeper starts another one */
    }
    return rc;
}

int wr_instance_stats(struct wr_instance *instance, struct wr_driver_stats *ret,
                      struct wr_error *err)
{
    struct wr_cgroup_stats stats;
    struct wr_driver_stats out = {0};
    int rc = wr_cgroup_stats(instance->kit->cgroup, &stats, err);

    if (rc == 0)
        rc = wr_cgroup_cache_bytes(instance->kit->cgroup, &out.cache_bytes, err);
    if (rc == 0)
        rc = wr_snapshot_upper_usage(instance->driver->snapshots, instance->kit->upper_fd,
                                     &out.disk_bytes, err);
    if (rc < 0)
        return rc;
    out.disk_limit_bytes = instance->kit->disk_bytes;
    out.memory_bytes = stats.memory_bytes;
    out.memory_peak_bytes = stats.memory_peak_bytes;
    out.memory_limit_bytes = stats.memory_limit_bytes;
    out.cpu_usec = stats.cpu_usec;
    out.pids = stats.pids;
    out.oom_kills = stats.oom_kills;
    *ret = out;
    return 0;
}
