/* A namespace with the redirect, as the nest makes them, and the engine's sockets in it, seen from
 * both sides. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nest/egress_sockets.h"
#include "nest/netns.h"
#include "test.h"

static struct wr_error err;
static struct wr_egress_sockets egress;

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

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

static void start_without_sockets(bool ipv6)
{
    NEEDS_ROOT();
    CHECK_INT(wr_netns_enter_new(&err), 0);
    if (wr_netns_redirect(ipv6, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    /* The kernel completes an IPv6 address a moment later. */
    for (int i = 0;
         ipv6 && i < 5000 && try_connect("fd00::2", 1, SOCK_STREAM, NULL) != ECONNREFUSED; i++)
        usleep(1000);
}

static void start(void)
{
    start_without_sockets(wr_netns_has_ipv6());
    CHECK_INT(wr_egress_sockets_open(true, &egress, &err), 0);
    CHECK_INT(egress.count, 4);
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
    start_without_sockets(false);
    CHECK_INT(wr_egress_sockets_open(false, &egress, &err), 0);
    CHECK_INT(egress.count, 2);
    CHECK_INT(try_connect("198.51.100.7", 443, SOCK_STREAM, NULL), 0);
    CHECK_INT(try_connect("2001:db8::7", 443, SOCK_STREAM, NULL), ENETUNREACH);
}

TEST(without_rights)
{
    NEEDS_ROOT();
    CHECK(unshare(CLONE_NEWNET) == 0 && setresuid(65534, 65534, 65534) == 0);
    egress = WR_EGRESS_SOCKETS_NONE;
    CHECK_INT(wr_netns_redirect(true, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(err.os_errno, EPERM);
    CHECK_INT(wr_egress_sockets_open(true, &egress, &err), -WR_E_INTERNAL);
    CHECK_INT(err.os_errno, EPERM);
    CHECK_INT(egress.count, 0);
}

static int listen_freely(const char *host, uint16_t port, int type)
{
    const int on = 1;
    socklen_t len = 0;
    union address a = parse(host, port, &len);
    int fd = socket(a.any.sa_family, type | SOCK_CLOEXEC, 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
    CHECK(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == 0);
    CHECK(bind(fd, &a.any, len) == 0 && (type == SOCK_DGRAM || listen(fd, 1) == 0));
    return fd;
}

static int begin_connect(const char *host, uint16_t port)
{
    socklen_t len = 0;
    union address a = parse(host, port, &len);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, &a.any, len) < 0 && errno == EINPROGRESS);
    return fd;
}

/* While no server has them: nobody inside gets what was for the outside, and what tries again
 * arrives at the next one. */
TEST(nobody_takes_what_leaves)
{
    static const char *const hosts[] = {"198.51.100.7", "2001:db8::7"};
    start_without_sockets(true);
    for (size_t i = 0; i < WR_ARRAY_SIZE(hosts); i++) {
        const char *any = i == 0 ? "0.0.0.0" : "::", *own = i == 0 ? "127.0.0.1" : "::1";
        int everywhere = listen_freely(any, 443, SOCK_STREAM);
        int there = listen_freely(hosts[i], 444, SOCK_STREAM);
        int dns = listen_freely(i == 0 ? "192.0.0.1" : "fd00::1", 53, SOCK_DGRAM), asking = -1;
        int first = begin_connect(hosts[i], 443), second = begin_connect(hosts[i], 444);
        CHECK_INT(try_connect(i == 0 ? "192.0.0.1" : "fd00::1", 53, SOCK_DGRAM, &asking), 0);
        CHECK(write(asking, "?", 1) == 1);
        struct pollfd inside[] = {{.fd = everywhere, .events = POLLIN},
                                  {.fd = there, .events = POLLIN},
                                  {.fd = dns, .events = POLLIN},
                                  {.fd = first, .events = POLLOUT},
                                  {.fd = second, .events = POLLOUT}};
        CHECK_INT(poll(inside, WR_ARRAY_SIZE(inside), 300), 0);
        close(dns);
        CHECK_INT(wr_egress_sockets_open(true, &egress, &err), 0);
        for (int arrived = 0; arrived < 2; arrived++) {
            struct pollfd p = {.fd = egress.fds[2 * i], .events = POLLIN};
            CHECK_INT(poll(&p, 1, 10000), 1);
            close(accept4(p.fd, NULL, NULL, SOCK_CLOEXEC));
        }
        CHECK_INT(try_connect(own, 443, SOCK_STREAM, NULL), 0); /* it does serve */
        wr_egress_sockets_close(&egress);
        close(everywhere);
        close(there);
    }
}

/* By another server, or by a process inside, in whatever way: said, all or none, and over as soon
 * as it lets go. */
TEST(addresses_that_somebody_has)
{
    static const struct {
        const char *host;
        uint16_t port;
        int type;
    } rows[] = {
        {"192.0.0.1", 1, SOCK_STREAM}, {"192.0.0.1", 53, SOCK_DGRAM}, {"fd00::1", 1, SOCK_STREAM},
        {"fd00::1", 53, SOCK_DGRAM},   {"0.0.0.0", 53, SOCK_DGRAM},   {"::", 1, SOCK_STREAM},
    };
    struct wr_egress_sockets second = WR_EGRESS_SOCKETS_NONE;

    start();
    CHECK_INT(wr_egress_sockets_open(true, &second, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "TCP port 1") && strstr(err.msg, "another server"));
    CHECK_INT(second.count, 0);
    wr_egress_sockets_close(&egress);
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        int fd = listen_freely(rows[i].host, rows[i].port, rows[i].type);
        CHECK_INT(wr_egress_sockets_open(true, &egress, &err), -WR_E_FAILED_PRECONDITION);
        CHECK_INT(egress.count, 0);
        close(fd);
        CHECK_INT(wr_egress_sockets_open(true, &egress, &err), 0);
        wr_egress_sockets_close(&egress);
    }
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
    CHECK_INT(netns.redirect, WR_NEST_REDIRECT_BOTH);
    CHECK_INT(wr_netns_enter(netns.ns_fd, &err), 0);
    CHECK_INT(wr_egress_sockets_open(true, &egress, &err), 0);
    CHECK_INT(try_connect("198.51.100.7", 443, SOCK_STREAM, NULL), 0);
    close(accept_from(egress.fds[0], "198.51.100.7", 443));
    CHECK_INT(wr_netns_enter(pool.home_fd, &err), 0);
    CHECK_INT(try_connect("198.51.100.7", 443, SOCK_STREAM, NULL), ENETUNREACH);
    wr_netns_close(&netns);
    CHECK_INT(netns.ns_fd, -1);
}
