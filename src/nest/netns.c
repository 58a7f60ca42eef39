#include "nest/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "nest/protocol.h"
#include "nest/redirect.h"
#include "nest/routes.h"
#include "nest/zygote_protocol.h"

/* Requests that wait for the nest; what is over is refused at once (EAGAIN). */
#define CONTEXT_BACKLOG 16

/* engine/action.h has the numbers for the outside; the nest knows no other ports. */
#define AGENT_PORT       49983
#define INTERPRETER_PORT 49999

int wr_netns_enter(int ns_fd, struct wr_error *err)
{
    if (setns(ns_fd, CLONE_NEWNET) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "enter a network namespace");
    return 0;
}

static int loopback_up(struct wr_error *err)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
    wr_auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "bring up lo");
    return 0;
}

/* Ports below 1024 and ping sockets for everybody inside: the group range counts in ids of the
 * owner, the nest's namespace. */
static int apply_sysctls(struct wr_error *err)
{
    static const struct {
        const char *path, *value;
    } rows[] = {
        {"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
        {"/proc/sys/net/ipv4/ping_group_range", "0 268435455"},
    };

    _Static_assert(WR_SLOT_COUNT * WR_SLOT_IDS - 1 == 268435455,
                   "ping_group_range spans all slots");
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        int rc = wr_file_write_str(AT_FDCWD, rows[i].path, rows[i].value);
        if (rc < 0)
            return wr_fail(err, WR_E_INTERNAL, -rc, "write %s", rows[i].path);
    }
    return 0;
}

static int listen_on_loopback(uint16_t port, int *ret_fd, struct wr_error *err)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    wr_auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 512) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL,
                             "listen on 127.0.0.1:%d in a new network namespace", port);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

/* Bound before anything of the sandbox runs: nobody inside can take the name. The nest keeps the
 * socket, and with it the name, as long as the sandbox lives. */
static int listen_for_contexts(int *ret_fd, struct wr_error *err)
{
    static const char name[] = WR_CONTEXT_SOCKET;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = offsetof(struct sockaddr_un, sun_path) + sizeof(name); /* leading NUL, no end */
    wr_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path + 1, name, sizeof(name) - 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, CONTEXT_BACKLOG) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL,
                             "listen on the abstract address %s in a new "
                             "network namespace",
                             name);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

void wr_netns_close(struct wr_netns *netns)
{
    netns->ns_fd = wr_close(netns->ns_fd);
    netns->listen_fd = wr_close(netns->listen_fd);
    netns->interpreter_fd = wr_close(netns->interpreter_fd);
    netns->context_fd = wr_close(netns->context_fd);
}

int wr_netns_enter_new(struct wr_error *err)
{
    if (unshare(CLONE_NEWNET) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED,
                             "make a network namespace (see user.max_net_namespaces)");
    return loopback_up(err);
}

int wr_netns_redirect(bool ipv6, struct wr_error *err)
{
    int rc = wr_redirect_make(ipv6, err);

    return rc ? rc : wr_routes_make(ipv6, err);
}

bool wr_netns_has_ipv6(void)
{
    wr_auto_close int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0;
}

/* A new namespace with the redirect; where it cannot be made, with one for IPv4; where the host
 * cannot do that either, one that is left as it is, and in which nothing leads out. */
static int enter_redirected(struct wr_netns_pool *pool, enum wr_nest_redirect *ret,
                            struct wr_error *err)
{
    *ret = wr_netns_has_ipv6() ? WR_NEST_REDIRECT_BOTH : WR_NEST_REDIRECT_IP4;
    for (; *ret != WR_NEST_REDIRECT_NONE; (*ret)--) {
        int rc = wr_netns_enter_new(err);
        if (rc < 0 || wr_netns_redirect(*ret == WR_NEST_REDIRECT_BOTH, &pool->no_redirect) == 0)
            return rc;
    }
    return wr_netns_enter_new(err); /* what was half made is left behind */
}

/* Leaves the caller in the new namespace. */
static int make_here(struct wr_netns_pool *pool, struct wr_netns *ret, struct wr_error *err)
{
    int rc = enter_redirected(pool, &ret->redirect, err);
    if (rc == 0)
        rc = apply_sysctls(err);
    if (rc < 0)
        return rc;
    wr_auto_close int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (ns < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the new network namespace");
    ret->ns_fd = wr_steal_fd(&ns);
    rc = listen_on_loopback(AGENT_PORT, &ret->listen_fd, err);
    if (rc == 0)
        rc = listen_on_loopback(INTERPRETER_PORT, &ret->interpreter_fd, err);
    return rc ? rc : listen_for_contexts(&ret->context_fd, err);
}

static int make(struct wr_netns_pool *pool, struct wr_netns *ret, struct wr_error *err)
{
    struct wr_netns made = WR_NETNS_NONE;
    struct wr_error home_error;
    int rc = make_here(pool, &made, err);

    /* Back home in any case; a nest that cannot go home must not go on. */
    if (wr_netns_enter(pool->home_fd, &home_error) < 0)
        _exit(1);
    if (rc == 0)
        *ret = made;
    else
        wr_netns_close(&made);
    return rc;
}

int wr_netns_pool_init(struct wr_netns_pool *pool, struct wr_error *err)
{
    *pool = (struct wr_netns_pool){.home_fd = -1};
    wr_auto_close int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the nest's network namespace");
    pool->home_fd = wr_steal_fd(&home);
    return 0;
}

int wr_netns_take(struct wr_netns_pool *pool, struct wr_netns *ret, struct wr_error *err)
{
    if (pool->count == 0) {
        int rc = make(pool, ret, err);
        if (rc == 0)
            pool->target = pool->wanted; /* whatever was short is there again */
        return rc;
    }
    *ret = pool->spare[--pool->count];
    return 0;
}

bool wr_netns_refill(struct wr_netns_pool *pool)
{
    struct wr_error err;
    struct wr_netns made;

    if (pool->count >= pool->target)
        return false;
    if (make(pool, &made, &err) < 0) {
        /* Not again and again: the first request that finds the pool empty makes its own, or
         * reports why it cannot. */
        pool->target = pool->count;
        return false;
    }
    pool->spare[pool->count++] = made;
    return pool->count < pool->target;
}
