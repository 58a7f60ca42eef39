/* Requests for a fork, against a nest that may do anything. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "interpreter/fork_request.h"
#include "nest/zygote_protocol.h"
#include "outside.h"
#include "sys/message.h"
#include "test.h"

#define PENDING 1 /* no result yet */

static struct wr_loop *loop;
static struct wr_fork_request request = {.fd = -1};
static int listen_fd = -1, null_fd = -1, result = PENDING;

static void on_fork(int r, void *data)
{
    (void)data;
    result = r;
}

enum listener { NOBODY, NEST, SOMEBODY_INSIDE };

/* A network namespace of its own, in which the address is free. */
static void begin(enum listener listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(WR_CONTEXT_SOCKET);
    struct wr_error err;

    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNET), 0);
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(null_fd >= 0);
    request.fn = on_fork;
    if (listener == NOBODY)
        return;
    memcpy(address.sun_path + 1, WR_CONTEXT_SOCKET, len);
    listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK(listen_fd >= 0);
    CHECK_INT(bind(listen_fd, (struct sockaddr *)&address,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)),
              0);
    CHECK_INT(listen(listen_fd, 4), 0);
    if (listener == NEST)
        go_inside(listen_fd);
}

static int ask(struct wr_fork_request *r)
{
    static const struct wr_user user = {
        .name = "user", .home = "/", .uid = 1000, .gid = 1001, .group_count = 1, .groups = {1001}};
    const int fds[3] = {null_fd, null_fd, null_fd};
    return wr_fork_begin(r, loop, wr_language_find("python"), &user, "/tmp", fds);
}

/* The nest's end of the connection, with the request that came by it. */
static int accept_request(struct wr_context_request *ret)
{
    int fds[WR_MESSAGE_MAX_FDS];
    size_t count = 0;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_INT(wr_message_recv(fd, ret, sizeof(*ret), fds, &count), sizeof(*ret));
    CHECK_INT(count, 3);
    for (size_t i = 0; i < count; i++)
        (void)wr_close(fds[i]);
    return fd;
}

static int wait_result(void)
{
    struct wr_error err;
    for (int i = 0; i < 200 && result == PENDING; i++)
        CHECK_INT(wr_loop_step(loop, 50, &err), 0);
    CHECK_INT(request.fd, -1);
    return result;
}

static int answered(const void *reply, size_t len)
{
    struct wr_context_request got;

    begin(NEST);
    CHECK_INT(ask(&request), 0);
    int fd = accept_request(&got);
    CHECK_INT(got.magic, WR_CONTEXT_MAGIC);
    CHECK_INT(got.language, WR_ZYGOTE_PYTHON);
    CHECK(got.uid == 1000 && got.gid == 1001 && got.group_count == 1 && got.groups[0] == 1001);
    CHECK_STR(got.cwd, "/tmp");
    if (len > 0)
        CHECK_INT(send(fd, reply, len, 0), len);
    (void)wr_close(fd);
    return wait_result();
}

TEST(a_fork)
{
    const struct wr_context_reply reply = {.magic = WR_CONTEXT_MAGIC};
    CHECK_INT(answered(&reply, sizeof(reply)), 0);
}

TEST(no_zygote)
{
    const struct wr_context_reply reply = {.magic = WR_CONTEXT_MAGIC, .result = -ENOENT};
    CHECK_INT(answered(&reply, sizeof(reply)), -ENOENT);
}

TEST(answers_that_are_none)
{
    const struct wr_context_reply reply = {.magic = 1};
    CHECK_INT(answered(&reply, sizeof(reply)), -EPROTO);
}

TEST(a_short_answer)
{
    CHECK_INT(answered("x", 1), -EPROTO);
}

TEST(a_nest_without_time_closes_without_an_answer)
{
    CHECK_INT(answered(NULL, 0), -EAGAIN);
}

TEST(or_without_a_look_at_the_request)
{
    begin(NEST);
    CHECK_INT(ask(&request), 0);
    (void)wr_close(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC));
    CHECK_INT(wait_result(), -EAGAIN);
}

TEST(or_takes_no_more_connections)
{
    struct wr_fork_request many[16];
    int rc = 0;

    begin(NEST);
    for (size_t i = 0; i < 16 && rc == 0; i++) {
        many[i] = (struct wr_fork_request){.fd = -1, .fn = on_fork};
        rc = ask(&many[i]);
    }
    CHECK_INT(rc, -EAGAIN);
}

/* As in a sandbox that was restored from disk, where the address is free. */
TEST(somebody_inside_is_not_asked)
{
    struct wr_fork_request r = {.fd = -1};

    begin(SOMEBODY_INSIDE);
    CHECK_INT(ask(&r), -ECONNREFUSED);
    CHECK_INT(r.fd, -1);
}

TEST(nobody_listens)
{
    begin(NOBODY);
    CHECK_INT(ask(&request), -ECONNREFUSED);
}
