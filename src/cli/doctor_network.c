#include "cli/doctor_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "nest/egress_sockets.h"
#include "nest/netns.h"

#define FOUND(f, ...) ((void)snprintf((f)->found, sizeof(f)->found, __VA_ARGS__))
#define WAIT_MS       2000

/* Addresses for documentation: nobody has them, and the redirect must take them all the same. */
static const struct probe {
    const char *what, *host;
    int family, type;
    uint16_t port;
} probes[WR_EGRESS_SOCKETS] = {
    {"TCP over IPv4", "198.51.100.1", AF_INET, SOCK_STREAM, 443},
    {"DNS over IPv4", "198.51.100.1", AF_INET, SOCK_DGRAM, 53},
    {"TCP over IPv6", "2001:db8::1", AF_INET6, SOCK_STREAM, 443},
    {"DNS over IPv6", "2001:db8::1", AF_INET6, SOCK_DGRAM, 53},
};

/* Address and port at the same places whatever the family; what is not used is zero. */
struct destination {
    unsigned char address[16];
    in_port_t port;
};

static struct destination wanted(const struct probe *p)
{
    struct destination d = {.port = htons(p->port)};

    (void)inet_pton(p->family, p->host, d.address);
    return d;
}

static int open_client(const struct probe *p)
{
    const struct destination d = wanted(p);
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = (sa_family_t)p->family};
    wr_auto_close int fd = socket(p->family, p->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (p->family == AF_INET) {
        address.v4.sin_port = d.port;
        memcpy(&address.v4.sin_addr, d.address, sizeof(address.v4.sin_addr));
    } else {
        address.v6.sin6_port = d.port;
        memcpy(&address.v6.sin6_addr, d.address, sizeof(address.v6.sin6_addr));
    }
    if (fd < 0 || (connect(fd, &address.any, sizeof(address)) < 0 && errno != EINPROGRESS) ||
        (p->type == SOCK_DGRAM && write(fd, "?", 1) != 1))
        return -1;
    return wr_steal_fd(&fd);
}

static bool accepted_destination(int listener, struct destination *ret)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof(address);
    wr_auto_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0 || getsockname(fd, &address.any, &len) < 0)
        return false;
    *ret = (struct destination){.port = address.v4.sin_port}; /* the same place in both */
    if (address.any.sa_family == AF_INET)
        memcpy(ret->address, &address.v4.sin_addr, sizeof(address.v4.sin_addr));
    else
        memcpy(ret->address, &address.v6.sin6_addr, sizeof(address.v6.sin6_addr));
    return true;
}

static bool received_destination(int sock, struct destination *ret)
{
    union {
        struct cmsghdr header;
        char space[256];
    } control;
    char byte;
    struct iovec iov = {&byte, sizeof(byte)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};

    if (recvmsg(sock, &msg, 0) != 1)
        return false;
    *ret = (struct destination){.port = htons(WR_EGRESS_DNS_PORT)};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(ret->address, &info.ipi_addr, sizeof(info.ipi_addr));
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(ret->address, &info.ipi6_addr, sizeof(info.ipi6_addr));
        }
    }
    return true;
}

static int try_probe(const struct probe *p, int taker, struct wr_error *err)
{
    const struct destination expected = wanted(p);
    struct destination arrived;
    struct pollfd waiting = {.fd = taker, .events = POLLIN};
    wr_auto_close int client = open_client(p);

    if (client < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "%s to %s finds no way", p->what,
                             p->host);
    if (poll(&waiting, 1, WAIT_MS) != 1 ||
        !(p->type == SOCK_STREAM ? accepted_destination : received_destination)(taker, &arrived))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%s to %s does not arrive", p->what,
                       p->host);
    if (arrived.port != expected.port ||
        memcmp(arrived.address, expected.address, sizeof(expected.address)) != 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%s to %s arrives as something else",
                       p->what, p->host);
    return 0;
}

/* In a child, and all with the rights of a user namespace that has none on the host: the nest makes
 * the redirect with those, the engine the sockets with more. */
static int try_redirect(size_t *ret_count, struct wr_error *err)
{
    struct wr_egress_sockets sockets = WR_EGRESS_SOCKETS_NONE;
    int rc = wr_doctor_enter_userns();

    if (rc < 0)
        return wr_fail(err, WR_E_UNAVAILABLE, -rc, "make a user namespace");
    const bool ipv6 = wr_netns_has_ipv6();
    rc = wr_netns_enter_new(err);
    if (rc == 0)
        rc = wr_netns_redirect(ipv6, err);
    if (rc == 0)
        rc = wr_egress_sockets_open(ipv6, &sockets, err);
    for (size_t i = 0; rc == 0 && i < sockets.count; i++)
        rc = try_probe(&probes[i], sockets.fds[i], err);
    if (rc == 0)
        *ret_count = sockets.count;
    wr_egress_sockets_close(&sockets);
    return rc;
}

struct outcome {
    size_t count;
    struct wr_error error;
};

static void tell_outcome(int fd)
{
    struct outcome outcome = {0};

    (void)!try_redirect(&outcome.count, &outcome.error);
    _exit(wr_write_all(fd, &outcome, sizeof(outcome)) < 0);
}

static bool run_child(struct outcome *ret)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        tell_outcome(ends[1]);
    wr_close(ends[1]);
    const bool told = pid > 0 && wr_read_full(ends[0], ret, sizeof(*ret)) == sizeof(*ret);
    wr_close(ends[0]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return told;
}

void wr_doctor_check_redirect(const struct wr_doctor_place *place, struct wr_finding *ret)
{
    struct outcome outcome;

    (void)place;
    if (!run_child(&outcome)) {
        FOUND(ret, "could not be tried");
        ret->health = WR_HEALTH_WARN;
        return;
    }
    (void)wr_error_received(&outcome.error);
    if (outcome.error.code == 0) {
        FOUND(ret, "TCP and DNS of a sandbox arrive at the egress, over IPv4%s",
              outcome.count > 2 ? " and IPv6" : " (this host has no IPv6)");
        return;
    }
    FOUND(ret, "%.150s", outcome.error.msg);
    ret->health = WR_HEALTH_WARN;
    ret->cost = "sandboxes reach nothing outside";
    ret->mend = outcome.error.code == WR_E_UNAVAILABLE
                    ? "see \"user namespaces\" above"
                    : "`modprobe nft_tproxy`, or a kernel with CONFIG_NF_TABLES_INET, "
                      "CONFIG_NFT_TPROXY, CONFIG_IP_MULTIPLE_TABLES and "
                      "CONFIG_IPV6_MULTIPLE_TABLES";
}
