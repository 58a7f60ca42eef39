/* The sockets that take what leaves a sandbox, from CREATE and EGRESS of the native driver: the
 * engine opens them, and nobody else has them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "live.h"
#include "peer.h"
#include "test.h"

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

/* New ones each time, which nobody but the receiver has: else their addresses were taken. */
static void check_live(void)
{
    char id[WR_ID_LEN + 1], json[64];
    struct peer_reply reply, second;
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
    for (size_t i = 3; i < reply.fd_count; i++)
        close(reply.fds[i]);
    for (int round = 0; round < 3; round++) {
        peer_call(sock, WR_ACTION_EGRESS, json, &reply);
        check_sockets(&reply, 0);
        peer_call(sock, WR_ACTION_EGRESS, json, &second);
        CHECK_INT(json_integer_value(json_object_get(second.json, "code")),
                  WR_E_FAILED_PRECONDITION);
        CHECK(strstr(peer_str(&second, "message"), "another server still has it"));
        CHECK_INT(second.fd_count, 0);
        if (round < 2) { /* the third time they are the later engine's server's */
            close_all(&reply);
            close(sock);
            CHECK(waitpid(engine, &status, 0) == engine && status == 0);
            engine = live_engine(&sock, true);
        }
    }
    CHECK_INT(peer_code(sock, WR_ACTION_EGRESS, "{\"id\":\"aaaaaaaaaaaaaaaaaaaa\"}"),
              WR_E_NOT_FOUND);
    CHECK_INT(peer_code(sock, WR_ACTION_EGRESS, "{}"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_KILL, json), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_EGRESS, json), WR_E_NOT_FOUND);
    close_all(&reply);
    /* Nobody asked for them, or only for them. */
    peer_call(sock, WR_ACTION_CREATE, "{\"template\":\"" LIVE_TEMPLATE "\",\"sockets\":1}", &reply);
    CHECK_INT(reply.fd_count, 1);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "egress")), 0);
    close_all(&reply);
    peer_call(sock, WR_ACTION_CREATE, "{\"template\":\"" LIVE_TEMPLATE "\",\"egress\":true}",
              &reply);
    check_sockets(&reply, 0);
    close_all(&reply);
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK(waitpid(engine, &status, 0) == engine && status == 0);
    close(sock);
}

TEST(create_and_egress)
{
    live_run(check_live);
}

/* They have nothing to do with the nest, whatever has become of it. */
static void check_stopped_nest(void)
{
    char id[WR_ID_LEN + 1], json[64];
    struct peer_reply reply;
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    live_create(sock, id);
    snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
    pid_t nest = live_nest(engine);
    CHECK(nest > 1 && kill(nest, SIGSTOP) == 0);
    peer_call(sock, WR_ACTION_EGRESS, json, &reply);
    check_sockets(&reply, 0);
    close_all(&reply);
    CHECK(kill(nest, SIGCONT) == 0);
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
    CHECK_INT(json_integer_value(json_object_get(reply.json, "code")), WR_E_UNIMPLEMENTED);
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
