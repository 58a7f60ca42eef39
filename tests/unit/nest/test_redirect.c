/* A namespace with the redirect, as the nest makes them, seen from both sides. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nest/netns.h"
#include "test.h"

static struct wr_error err;
static struct wr_egress_sockets egress;

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static void start(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
    NEEDS_ROOT();
    CHECK(unshare(CLONE_NEWNET) == 0);
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(ioctl(sock, SIOCSIFFLAGS, &request) == 0);
    close(sock);
    if (wr_netns_redirect(wr_netns_has_ipv6(), &egress, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(egress.count, 4);
}

static union address parse(const char *host, uint16_t port, socklen_t *ret_len)
{
    union address a = {0};
    if (strchr(host, ':')) {
        a.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        CHECK_INT(inet_pton(AF_INET6, host, &a.v6.sin6_addr), 1);
        *ret_len = sizeof(a.v6);
    } else {
        a.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        CHECK_INT(inet_pton(AF_INET, host, &a.v4.sin_addr), 1);
        *ret_len = sizeof(a.v4);
    }
    return a;
}

/* 0 or the errno of connect(). */
static int try_connect(const char *host, uint16_t port, int type, int *ret_fd)
{
    socklen_t len = 0;
    union address a = parse(host, port, &len);
    int fd = socket(a.any.sa_family, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    int rc = connect(fd, &a.any, len) < 0 ? errno : 0;
    if (rc == 0 && ret_fd)
        *ret_fd = fd;
    else
        close(fd);
    return rc;
}

static int accept_from(int listener, const char *host, uint16_t port)
{
    socklen_t len = 0, wanted_len = 0;
    union address local = {0}, wanted = parse(host, port, &wanted_len);
    struct pollfd p = {.fd = listener, .events = POLLIN};
    CHECK_INT(poll(&p, 1, 10000), 1);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fd >= 0);
    len = sizeof(local);
    CHECK(getsockname(fd, &local.any, &len) == 0);
    CHECK_INT(len, wanted_len);
    if (local.any.sa_family == AF_INET6) {
        CHECK_INT(local.v6.sin6_port, wanted.v6.sin6_port);
        CHECK(memcmp(&local.v6.sin6_addr, &wanted.v6.sin6_addr, 16) == 0);
    } else {
        CHECK_INT(local.v4.sin_port, wanted.v4.sin_port);
        CHECK_INT(local.v4.sin_addr.s_addr, wanted.v4.sin_addr.s_addr);
    }
    return fd;
}

TEST(tcp_arrives_with_its_destination)
{
    static const struct {
        const char *host;
        uint16_t port;
        size_t listener;
    } rows[] = {
        {"198.51.100.7", 443, 0}, {"10.0.0.1", 1, 0},     {"169.254.169.254", 80, 0},
        {"192.0.0.1", 1, 0},      {"192.0.0.1", 53, 0},   {"2001:db8::7", 443, 2},
        {"fd00::1", 53, 2},       {"fe80::1234", 80, 99}, {"224.0.0.1", 80, 99},
    };

    start();
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char byte = 0;
        int fd = -1, rc = try_connect(rows[i].host, rows[i].port, SOCK_STREAM, &fd);
        if (rows[i].listener == 99) { /* link-local without an interface, multicast */
            CHECK(rc != 0);
            continue;
        }
        CHECK_INT(rc, 0);
        int accepted = accept_from(egress.fds[rows[i].listener], rows[i].host, rows[i].port);
        CHECK(write(fd, "a", 1) == 1 && read(accepted, &byte, 1) == 1 && byte == 'a');
        CHECK(write(accepted, "b", 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'b');
        close(fd);
        close(accepted);
    }
}

static void ask(const char *host, int server)
{
    union {
        struct cmsghdr header;
        char space[256];
    } control;
    char data[16];
    union address from = {0};
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof(from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct pollfd p = {.fd = server, .events = POLLIN};
    socklen_t len = 0;
    union address asked = parse(host, 53, &len);
    int fd = -1;

    CHECK_INT(try_connect(host, 53, SOCK_DGRAM, &fd), 0);
    CHECK(write(fd, "question", 8) == 8);
    CHECK_INT(poll(&p, 1, 10000), 1);
    CHECK_INT(recvmsg(server, &msg, 0), 8);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    CHECK(c);
    if (c->cmsg_level == IPPROTO_IP) {
        struct in_pktinfo info;
        CHECK_INT(c->cmsg_type, IP_PKTINFO);
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        CHECK_INT(info.ipi_addr.s_addr, asked.v4.sin_addr.s_addr);
        info.ipi_spec_dst = info.ipi_addr;
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    } else {
        struct in6_pktinfo info;
        CHECK_INT(c->cmsg_type, IPV6_PKTINFO);
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        CHECK(memcmp(&info.ipi6_addr, &asked.v6.sin6_addr, 16) == 0);
    }
    /* Back from the address that was asked; the connected socket takes no other. */
    iov = (struct iovec){data, 3};
    CHECK_INT(sendmsg(server, &msg, 0), 3);
    p.fd = fd;
    CHECK_INT(poll(&p, 1, 10000), 1);
    CHECK_INT(read(fd, data, sizeof(data)), 3);
    close(fd);
}

TEST(dns_arrives_and_is_answered_from_where_it_went)
{
    start();
    ask("198.51.100.53", egress.fds[1]);
    ask("192.0.0.1", egress.fds[1]);
    ask("2001:db8::53", egress.fds[3]);
    ask("fd00::1", egress.fds[3]);
}

TEST(everything_else_is_unreachable)
{
    start();
    CHECK_INT(try_connect("198.51.100.7", 54, SOCK_DGRAM, NULL), ENETUNREACH);
    CHECK_INT(try_connect("198.51.100.7", 443, SOCK_DGRAM, NULL), ENETUNREACH);
    CHECK_INT(try_connect("2001:db8::7", 123, SOCK_DGRAM, NULL), ENETUNREACH);
    CHECK_INT(try_connect("192.0.0.1", 99, SOCK_DGRAM, NULL), ENETUNREACH);
    CHECK_INT(try_connect("127.0.0.1", 9999, SOCK_DGRAM, NULL), 0);
    /* Its own addresses are no way to the host side. */
    CHECK_INT(try_connect("127.0.0.1", 1, SOCK_STREAM, NULL), ECONNREFUSED);
    CHECK_INT(try_connect("192.0.0.2", 1, SOCK_STREAM, NULL), ECONNREFUSED);
    CHECK_INT(try_connect("::1", 1, SOCK_STREAM, NULL), ECONNREFUSED);
    CHECK_INT(try_connect("fd00::2", 1, SOCK_STREAM, NULL), ECONNREFUSED);
}

static int try_bind(const char *host, uint16_t port, int type, bool tricks)
{
    const int on = 1;
    socklen_t len = 0;
    union address a = parse(host, port, &len);
    int fd = socket(a.any.sa_family, type | SOCK_CLOEXEC, 0);
    if (tricks) {
        CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
        CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
        CHECK(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == 0);
    }
    int rc = bind(fd, &a.any, len) < 0 ? errno : 0;
    if (rc == 0 && type == SOCK_STREAM)
        rc = listen(fd, 1) < 0 ? errno : 0;
    close(fd);
    return rc;
}

TEST(addresses_are_taken)
{
    start();
    CHECK_INT(try_bind("198.51.100.7", 80, SOCK_STREAM, false), EADDRNOTAVAIL);
    CHECK_INT(try_bind("192.0.0.1", 80, SOCK_STREAM, false), EADDRNOTAVAIL);
    CHECK_INT(try_bind("2001:db8::7", 80, SOCK_STREAM, false), EADDRNOTAVAIL);
    CHECK_INT(try_bind("192.0.0.1", 1, SOCK_STREAM, true), EADDRINUSE);
    CHECK_INT(try_bind("192.0.0.1", 53, SOCK_DGRAM, true), EADDRINUSE);
    CHECK_INT(try_bind("fd00::1", 1, SOCK_STREAM, true), EADDRINUSE);
    CHECK_INT(try_bind("fd00::1", 53, SOCK_DGRAM, true), EADDRINUSE);
    CHECK_INT(try_bind("0.0.0.0", 1, SOCK_STREAM, true), EADDRINUSE);
    CHECK_INT(try_bind("0.0.0.0", 53, SOCK_STREAM, false), 0);
    CHECK_INT(try_bind("127.0.0.1", 53, SOCK_DGRAM, false), 0);
    CHECK_INT(try_bind("::1", 53, SOCK_DGRAM, false), 0);
}

/* A server inside may listen where connections went before. */
TEST(ports_of_destinations_are_free)
{
    const int on = 1;
    int fd = -1;

    start();
    CHECK_INT(try_connect("198.51.100.7", 8080, SOCK_STREAM, &fd), 0);
    int accepted = accept_from(egress.fds[0], "198.51.100.7", 8080);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = 0;
    union address any = parse("0.0.0.0", 8080, &len);
    CHECK(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
    CHECK(bind(server, &any.any, len) == 0 && listen(server, 1) == 0);
    CHECK_INT(try_connect("127.0.0.1", 8080, SOCK_STREAM, NULL), 0);
    /* And what goes out still goes out. */
    CHECK_INT(try_connect("198.51.100.7", 8080, SOCK_STREAM, NULL), 0);
    close(accept_from(egress.fds[0], "198.51.100.7", 8080));
    close(accepted);
    close(fd);
}

TEST(only_ipv4)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
    NEEDS_ROOT();
    CHECK(unshare(CLONE_NEWNET) == 0);
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(ioctl(sock, SIOCSIFFLAGS, &request) == 0);
    CHECK_INT(wr_netns_redirect(false, &egress, &err), 0);
    CHECK_INT(egress.count, 2);
    CHECK_INT(try_connect("198.51.100.7", 443, SOCK_STREAM, NULL), 0);
    CHECK_INT(try_connect("2001:db8::7", 443, SOCK_STREAM, NULL), ENETUNREACH);
}

TEST(without_rights)
{
    NEEDS_ROOT();
    CHECK(unshare(CLONE_NEWNET) == 0 && setresuid(65534, 65534, 65534) == 0);
    egress = WR_EGRESS_SOCKETS_NONE;
    CHECK_INT(wr_netns_redirect(true, &egress, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(err.os_errno, EPERM);
    CHECK_INT(egress.count, 0);
}

/* The pool gives out namespaces that have it. */
TEST(pool)
{
    struct wr_netns_pool pool;
    struct wr_netns netns = WR_NETNS_NONE;
    NEEDS_ROOT();
    CHECK(unshare(CLONE_NEWNET) == 0);
    CHECK_INT(wr_netns_pool_init(&pool, &err), 0);
    pool.wanted = pool.target = 2;
    CHECK(wr_netns_refill(&pool) && !wr_netns_refill(&pool));
    CHECK_INT(pool.count, 2);
    CHECK_INT(pool.no_redirect.code, 0);
    CHECK_INT(wr_netns_take(&pool, &netns, &err), 0);
    CHECK_INT(netns.egress.count, 4);
    CHECK_INT(wr_netns_enter(netns.ns_fd, &err), 0);
    CHECK_INT(try_connect("198.51.100.7", 443, SOCK_STREAM, NULL), 0);
    close(accept_from(netns.egress.fds[0], "198.51.100.7", 443));
    CHECK_INT(wr_netns_enter(pool.home_fd, &err), 0);
    CHECK_INT(try_connect("198.51.100.7", 443, SOCK_STREAM, NULL), ENETUNREACH);
    wr_netns_close(&netns);
    CHECK_INT(netns.egress.fds[0], -1);
}
