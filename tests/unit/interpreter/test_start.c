/* Many starts at once, against a nest that counts them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "interpreter/limits.h"
#include "interpreter/start.h"
#include "nest/zygote_protocol.h"
#include "outside.h"
#include "sys/message.h"
#include "test.h"

#define STARTS (WR_FORKS + 3)

static struct wr_loop *loop;
static struct wr_start_queue queue;
static struct wr_start *starts[STARTS];
static int listen_fd = -1, nest_fds[STARTS], accepted;
static size_t order[STARTS], forked, plain;

static void on_started(const struct wr_start_result *result, const struct wr_error *err, void *data)
{
    struct wr_start **start = data;

    CHECK(!err);
    order[forked + plain] = (size_t)(start - starts);
    *start = NULL;
    if (result->forked)
        forked++;
    else
        plain++;
}

static void step(void)
{
    struct wr_error err;
    CHECK_INT(wr_loop_step(loop, 10, &err), 0);
}

/* The connections that wait at the nest, with what came by them. */
static void accept_all(void)
{
    for (int i = 0; i < 5; i++)
        step();
    for (;;) {
        struct wr_context_request request;
        int fds[WR_MESSAGE_MAX_FDS];
        size_t count = 0;
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return;
        CHECK(accepted < STARTS);
        CHECK_INT(wr_message_recv(fd, &request, sizeof(request), fds, &count), sizeof(request));
        for (size_t i = 0; i < count; i++)
            (void)wr_close(fds[i]);
        nest_fds[accepted++] = fd;
    }
}

static void answer(int at, int result)
{
    const struct wr_context_reply reply = {.magic = WR_CONTEXT_MAGIC, .result = result};

    CHECK_INT(send(nest_fds[at], &reply, sizeof(reply), 0), sizeof(reply));
    nest_fds[at] = wr_close(nest_fds[at]);
}

static void begin_all(void)
{
    static const struct wr_language language = {
        .name = "test", .argv = {"true"}, .zygote = WR_ZYGOTE_PYTHON};
    static const struct wr_user user = {.name = "user", .home = "/", .uid = 1000, .gid = 1000};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(WR_CONTEXT_SOCKET);
    wr_auto_env env = {0};
    struct wr_error err;

    NEEDS_ROOT();
    /* A network namespace of its own, in which the address is free. */
    CHECK_INT(unshare(CLONE_NEWNET), 0);
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    CHECK_INT(wr_env_set(&env, "PATH", WR_ENV_DEFAULT_PATH, &err), 0);
    memcpy(address.sun_path + 1, WR_CONTEXT_SOCKET, len);
    listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(listen_fd >= 0);
    CHECK_INT(bind(listen_fd, (struct sockaddr *)&address,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)),
              0);
    CHECK_INT(listen(listen_fd, STARTS), 0);
    go_inside(listen_fd);
    wr_list_init(&queue.waiting);
    const struct wr_start_opts opts = {.loop = loop,
                                       .language = &language,
                                       .user = &user,
                                       .env = &env,
                                       .cwd = "/",
                                       .queue = &queue};
    for (size_t i = 0; i < STARTS; i++) {
        int fds[3];
        for (size_t k = 0; k < WR_ARRAY_SIZE(fds); k++)
            CHECK((fds[k] = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0);
        CHECK_INT(wr_start_begin(&opts, fds, on_started, &starts[i], &starts[i], &err), 0);
    }
    accept_all();
    CHECK_INT(accepted, WR_FORKS);
}

TEST(the_next_asks_when_one_is_answered)
{
    begin_all();
    for (int i = 0; i < STARTS; i++) {
        answer(i, 0);
        accept_all();
        CHECK_INT(accepted, WR_MIN(STARTS, WR_FORKS + i + 1));
    }
    CHECK_INT(forked, STARTS);
    for (size_t i = 0; i < STARTS; i++)
        CHECK_INT(order[i], i);
    CHECK_INT(queue.open, 0);
}

TEST(or_is_given_up)
{
    begin_all();
    starts[STARTS - 2] = wr_start_cancel(starts[STARTS - 2]); /* waits */
    starts[0] = wr_start_cancel(starts[0]);                   /* has asked */
    accept_all();
    CHECK_INT(accepted, WR_FORKS + 1);
    for (size_t i = 1; i < STARTS; i++)
        starts[i] = wr_start_cancel(starts[i]);
    CHECK_INT(queue.open, 0);
    CHECK(wr_list_empty(&queue.waiting));
}

TEST(or_is_started_plainly)
{
    begin_all();
    answer(0, -ENOENT);
    accept_all();
    CHECK_INT(accepted, WR_FORKS + 1);
    CHECK_INT(plain, 1);
}

TEST(one_that_is_to_come_later_keeps_its_turn)
{
    begin_all();
    answer(0, -EAGAIN);
    for (int i = 0; i < 100 && accepted == WR_FORKS; i++)
        accept_all();
    CHECK_INT(accepted, WR_FORKS + 1);
    answer(WR_FORKS, 0);
    accept_all();
    CHECK_INT(forked, 1);
    CHECK_INT(order[0], 0);
}

/* A sandbox that came from an image has no nest: whoever waits for another try is not kept. */
TEST(the_nest_goes_while_one_waits)
{
    begin_all();
    answer(0, -EAGAIN);
    listen_fd = wr_close(listen_fd);
    for (int i = 1; i < WR_FORKS; i++)
        nest_fds[i] = wr_close(nest_fds[i]);
    for (int i = 0; i < 200 && plain < STARTS; i++)
        step();
    CHECK_INT(plain, STARTS);
    CHECK_INT(forked, 0);
    CHECK_INT(queue.open, 0);
}
