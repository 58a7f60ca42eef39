#include "nest/egress_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"

/* Connections that the egress has not accepted yet; what is over waits and tries again. */
#define BACKLOG 512

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int set_on(int fd, int level, int name)
{
    const int on = 1;

    return setsockopt(fd, level, name, &on, sizeof(on));
}

/*
 * SO_REUSEADDR is for what the listener's connections inherit: a server inside that listens on the
 * port of a connection's destination must find it free. The UDP socket must not have it, or a
 * process inside could share its address by IP_FREEBIND and answer the sandbox's DNS.
 */
static int prepare(int fd, int family, int type)
{
    const bool v6 = family == AF_INET6;

    if (set_on(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT) < 0)
        return -1;
    if (v6 && set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
        return -1;
    if (type == SOCK_STREAM)
        return set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    return set_on(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO);
}

static socklen_t address_of(int family, int type, union address *ret)
{
    const in_port_t port = htons(type == SOCK_STREAM ? WR_EGRESS_TCP_PORT : WR_EGRESS_DNS_PORT);

    *ret = (union address){0};
    if (family == AF_INET6) {
        ret->v6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = WR_EGRESS_IP6};
        return sizeof(ret->v6);
    }
    ret->v4 = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(WR_EGRESS_IP4)};
    return sizeof(ret->v4);
}

static int refuse(int family, int type, struct wr_error *err)
{
    const char *protocol = type == SOCK_STREAM ? "TCP" : "UDP";
    const int version = family == AF_INET6 ? 6 : 4;

    if (errno == EADDRINUSE)
        return wr_fail(
            err, WR_E_FAILED_PRECONDITION, 0,
            "%s port %d, where what leaves a sandbox by IPv%d arrives, is taken: another "
            "server still has it, or a process of the sandbox took it while none had",
            protocol, type == SOCK_STREAM ? WR_EGRESS_TCP_PORT : WR_EGRESS_DNS_PORT, version);
    return wr_fail_errno(err, WR_E_INTERNAL,
                         "open the %s socket that takes what leaves a sandbox by IPv%d", protocol,
                         version);
}

static int open_one(int family, int type, int *ret_fd, struct wr_error *err)
{
    union address address;
    socklen_t len = address_of(family, type, &address);
    wr_auto_close int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || prepare(fd, family, type) < 0 || bind(fd, &address.any, len) < 0 ||
        (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
        return refuse(family, type, err);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

int wr_egress_sockets_open(bool ipv6, struct wr_egress_sockets *ret, struct wr_error *err)
{
    static const struct {
        int family, type;
    } rows[WR_EGRESS_SOCKETS] = {{AF_INET, SOCK_STREAM},
                                 {AF_INET, SOCK_DGRAM},
                                 {AF_INET6, SOCK_STREAM},
                                 {AF_INET6, SOCK_DGRAM}};
    WR_CLEANUP(wr_egress_sockets_close) struct wr_egress_sockets made = WR_EGRESS_SOCKETS_NONE;
    const size_t count = ipv6 ? WR_EGRESS_SOCKETS : WR_EGRESS_SOCKETS / 2;

    for (; made.count < count; made.count++) {
        int rc =
            open_one(rows[made.count].family, rows[made.count].type, &made.fds[made.count], err);
        if (rc < 0)
            return rc;
    }
    *ret = made;
    made = WR_EGRESS_SOCKETS_NONE;
    return 0;
}

void wr_egress_sockets_close(struct wr_egress_sockets *sockets)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(sockets->fds); i++)
        sockets->fds[i] = wr_close(sockets->fds[i]);
    sockets->count = 0;
}
