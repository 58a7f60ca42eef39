/* The sockets that take what leaves a sandbox: what a nest may pass, and that they come from
 * CREATE and EGRESS of the native driver. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/driver/native/instance.h"
#include "live.h"
#include "nest/netns.h"
#include "peer.h"
#include "test.h"

static struct wr_error err;
static struct wr_egress_sockets egress;

/* A namespace with the redirect; *ret_ns names it. */
static void make(int *ret_ns)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
    CHECK(unshare(CLONE_NEWNET) == 0);
    wr_auto_close int sock = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(ioctl(sock, SIOCSIFFLAGS, &request) == 0);
    CHECK_INT(wr_netns_redirect(true, &egress, &err), 0);
    *ret_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CHECK(*ret_ns >= 0);
}

static int check_with(size_t place, int fd, int ns)
{
    struct wr_egress_sockets changed = egress;
    changed.fds[place] = fd;
    return wr_egress_check(&changed, ns, &err);
}

TEST(what_a_nest_may_pass)
{
    int ns = -1, other = -1;
    NEEDS_ROOT();
    make(&other);
    const struct wr_egress_sockets foreign = egress;
    make(&ns);
    CHECK_INT(wr_egress_check(&egress, ns, &err), 0);
    CHECK_INT(wr_egress_check(&WR_EGRESS_SOCKETS_NONE, ns, &err), 0);
    struct wr_egress_sockets fewer = egress;
    fewer.count = 2;
    CHECK_INT(wr_egress_check(&fewer, ns, &err), 0);
    for (fewer.count = 1; fewer.count < 4; fewer.count += 2)
        CHECK(wr_egress_check(&fewer, ns, &err) < 0);
    fewer.count = 5;
    CHECK(wr_egress_check(&fewer, ns, &err) < 0);
    CHECK(strstr(err.msg, "egress sockets"));
    /* Of another namespace, of another kind, in another place, no socket. */
    CHECK(wr_egress_check(&foreign, ns, &err) < 0);
    for (size_t i = 0; i < 4; i++) {
        CHECK(check_with(i, foreign.fds[i], ns) < 0);
        CHECK(check_with(i, egress.fds[(i + 1) % 4], ns) < 0);
        CHECK(check_with(i, egress.fds[(i + 2) % 4], ns) < 0);
        CHECK(check_with(i, ns, ns) < 0);
        CHECK(check_with(i, -1, ns) < 0);
    }
    const int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(check_with(0, plain, ns) < 0); /* not bound */
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_port = htons(WR_EGRESS_TCP_PORT),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(plain, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(plain, 1) == 0);
    CHECK(check_with(0, plain, ns) < 0); /* elsewhere */
    const int connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    own.sin_addr.s_addr = htonl(0xc6336407);
    CHECK(connect(connected, (struct sockaddr *)&own, sizeof(own)) == 0);
    CHECK(check_with(0, connected, ns) < 0);
    /* A server's loop must not be made to wait. */
    CHECK_INT(wr_fd_set_nonblock(egress.fds[1], false), 0);
    CHECK(wr_egress_check(&egress, ns, &err) < 0);
}

/* The sandbox's own socket `fd` connects to an address outside; it has to arrive at `listener`. */
static void check_way_out(int fd, int listener, int expected_family)
{
    struct sockaddr_in6 outside = {.sin6_family = AF_INET6, .sin6_port = htons(443)}, local;
    socklen_t len = sizeof(local);
    struct pollfd p = {.fd = listener, .events = POLLIN};
    CHECK_INT(inet_pton(AF_INET6,
                        expected_family == AF_INET ? "::ffff:198.51.100.7" : "2001:db8::7",
                        &outside.sin6_addr),
              1);
    CHECK_INT(wr_fd_set_nonblock(fd, false), 0);
    CHECK(connect(fd, (struct sockaddr *)&outside, sizeof(outside)) == 0);
    CHECK_INT(poll(&p, 1, 10000), 1);
    const int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(accepted >= 0);
    CHECK(getsockname(accepted, (struct sockaddr *)&local, &len) == 0);
    CHECK_INT(local.sin6_family, expected_family);
    CHECK_INT(local.sin6_port, htons(443)); /* in the same place of both kinds of address */
    close(accepted);
    close(fd);
}

static void check_sockets(const struct peer_reply *reply, size_t first)
{
    CHECK_INT(reply->header.flags, 0);
    CHECK_INT(reply->fd_count, first + WR_ACTION_EGRESS_SOCKETS);
    for (size_t i = first; i < reply->fd_count; i++) {
        CHECK_INT(fcntl(reply->fds[i], F_GETFD), FD_CLOEXEC);
        CHECK(fcntl(reply->fds[i], F_GETFL) & O_NONBLOCK);
    }
}

static void close_all(struct peer_reply *reply)
{
    for (size_t i = 0; i < reply->fd_count; i++)
        close(reply->fds[i]);
}

static ino_t inode(int fd)
{
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    return st.st_ino;
}

/* The same sockets by CREATE, by EGRESS, and by EGRESS of a later engine. */
static void check_live(void)
{
    char id[WR_ID_LEN + 1], json[64];
    struct peer_reply reply;
    ino_t inodes[WR_ACTION_EGRESS_SOCKETS];
    int sock = -1, status = -1;
    pid_t engine = live_engine(&sock, true);
    peer_call(sock, WR_ACTION_CREATE,
              "{\"template\":\"" LIVE_TEMPLATE "\",\"sockets\":3,\"egress\":true}", &reply);
    check_sockets(&reply, 3);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "sockets")), 3);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "egress")), 4);
    CHECK(wr_strcopy(id, sizeof(id), peer_str(&reply, "id")));
    snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
    CHECK(live_agent_answers(reply.fds[0]));
    check_way_out(reply.fds[1], reply.fds[3], AF_INET);
    check_way_out(reply.fds[2], reply.fds[5], AF_INET6);
    for (size_t i = 0; i < WR_ARRAY_SIZE(inodes); i++) {
        inodes[i] = inode(reply.fds[3 + i]);
        close(reply.fds[3 + i]);
    }
    for (int round = 0; round < 2; round++) {
        peer_call(sock, WR_ACTION_EGRESS, json, &reply);
        check_sockets(&reply, 0);
        for (size_t i = 0; i < WR_ARRAY_SIZE(inodes); i++)
            CHECK_INT(inode(reply.fds[i]), inodes[i]);
        close_all(&reply);
        close(sock);
        CHECK(waitpid(engine, &status, 0) == engine && status == 0);
        engine = live_engine(&sock, true);
    }
    CHECK_INT(peer_code(sock, WR_ACTION_EGRESS,
                        "{\"id\":\""
                        "aaaaaaaaaaaaaaaaaaaa"
                        "\"}"),
              WR_E_NOT_FOUND);
    CHECK_INT(peer_code(sock, WR_ACTION_EGRESS, "{}"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_KILL, json), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_EGRESS, json), WR_E_NOT_FOUND);
    /* Nobody asked for them. */
    peer_call(sock, WR_ACTION_CREATE, "{\"template\":\"" LIVE_TEMPLATE "\",\"sockets\":1}", &reply);
    CHECK_INT(reply.fd_count, 1);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "egress")), 0);
    close_all(&reply);
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK(waitpid(engine, &status, 0) == engine && status == 0);
    close(sock);
}

TEST(create_and_egress)
{
    live_run(check_live);
}

/* A nest that does not answer keeps nobody waiting for ever, and not many. */
static void check_stopped_nest(void)
{
    char id[WR_ID_LEN + 1], json[64];
    struct peer_reply reply;
    unsigned refused = 0, gone = 0;
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    live_create(sock, id);
    snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
    pid_t nest = live_nest(engine);
    CHECK(nest > 1 && kill(nest, SIGSTOP) == 0);
    for (uint32_t i = 1; i <= 6; i++)
        peer_send(sock, WR_ACTION_EGRESS, i, json);
    peer_send(sock, WR_ACTION_PING, 7, "{}");
    for (peer_recv(sock, &reply); reply.header.sequence != 7; peer_recv(sock, &reply), refused++)
        CHECK_INT(json_integer_value(json_object_get(reply.json, "code")), WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(refused, 2);
    CHECK(kill(nest, SIGKILL) == 0);
    for (unsigned answers = 0; answers < 4 || gone == 0;) {
        peer_recv(sock, &reply);
        gone += reply.header.kind == (WR_EVENT_GONE | WR_ACTION_EVENT);
        if (reply.header.kind != (WR_ACTION_EGRESS | WR_ACTION_REPLY))
            continue;
        answers++;
        CHECK(reply.header.flags & WR_ACTION_FLAG_ERROR);
    }
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK(waitpid(engine, NULL, 0) == engine);
    close(sock);
}

TEST(a_nest_that_hangs)
{
    live_run(check_stopped_nest);
}

/* This process and all that it starts, engine and nest too, get no sockets of this kind. */
static void forbid(int domain, int protocol)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    CHECK(filter);
    CHECK_INT(seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0), 0);
    const struct scmp_arg_cmp which[] = {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)domain),
                                         SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)protocol)};
    CHECK_INT(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket),
                                     protocol ? 2 : 1, which),
              0);
    CHECK_INT(seccomp_load(filter), 0);
    seccomp_release(filter);
}

static void create_with_egress(int sock, struct peer_reply *ret, char *ret_json, size_t cap)
{
    peer_call(sock, WR_ACTION_CREATE,
              "{\"template\":\"" LIVE_TEMPLATE "\",\"sockets\":1,\"egress\":true}", ret);
    CHECK_INT(ret->header.flags, 0);
    snprintf(ret_json, cap, "{\"id\":\"%s\"}", peer_str(ret, "id"));
}

static void shut_down(int sock, pid_t engine)
{
    int status = -1;
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK(waitpid(engine, &status, 0) == engine && status == 0);
    close(sock);
}

/* Sandboxes start, nothing leads out of them, and whoever asks is told what to do. */
static void check_no_tproxy(void)
{
    struct sockaddr_in6 outside = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct peer_reply reply;
    char json[64];
    int sock = -1;
    forbid(AF_NETLINK, NETLINK_NETFILTER);
    pid_t engine = live_engine(&sock, true);
    create_with_egress(sock, &reply, json, sizeof(json));
    CHECK_INT(reply.fd_count, 1);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "egress")), 0);
    CHECK_INT(inet_pton(AF_INET6, "::ffff:198.51.100.7", &outside.sin6_addr), 1);
    CHECK(connect(reply.fds[0], (struct sockaddr *)&outside, sizeof(outside)) < 0);
    CHECK_INT(errno, ENETUNREACH);
    close_all(&reply);
    peer_call(sock, WR_ACTION_EGRESS, json, &reply);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "code")), WR_E_FAILED_PRECONDITION);
    CHECK(strstr(peer_str(&reply, "message"), "modprobe nft_tproxy"));
    shut_down(sock, engine);
}

TEST(a_kernel_without_tproxy)
{
    live_run(check_no_tproxy);
}

static void check_no_ipv6(void)
{
    struct peer_reply reply;
    char json[64];
    int sock = -1;
    forbid(AF_INET6, 0);
    pid_t engine = live_engine(&sock, true);
    create_with_egress(sock, &reply, json, sizeof(json));
    CHECK_INT(reply.fd_count, 1 + 2);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "egress")), 2);
    close_all(&reply);
    peer_call(sock, WR_ACTION_EGRESS, json, &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK_INT(reply.fd_count, 2);
    close_all(&reply);
    shut_down(sock, engine);
}

TEST(a_host_without_ipv6)
{
    live_run(check_no_ipv6);
}
