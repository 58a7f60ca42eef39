/* The keeper: it replaces a killed engine, and ends with the server. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/main.h"
#include "peer.h"
#include "test.h"

static const struct wr_engine_opts fake = {.data_dir = "/", .run_dir = "/", .fake = true};
static int sock = -1;
static pid_t keeper = -1;
static struct wr_error err;

static pid_t ready(void)
{
    struct peer_reply reply;
    peer_recv(sock, &reply);
    CHECK_INT(reply.header.kind, WR_EVENT_READY | WR_ACTION_EVENT);
    CHECK_STR(peer_str(&reply, "version"), WR_VERSION);
    return (pid_t)json_integer_value(json_object_get(reply.json, "pid"));
}

TEST(a_killed_engine_is_replaced)
{
    CHECK_INT(wr_engine_start(&fake, &sock, &keeper, &err), 0);
    CHECK_INT(fcntl(sock, F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(sock, F_GETFL) & O_NONBLOCK);
    pid_t first = ready();
    CHECK(first > 1 && first != keeper);
    CHECK(kill(first, SIGKILL) == 0);
    pid_t second = ready();
    CHECK(second > 1 && second != first);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"base\"}"), 0);
    CHECK(kill(second, SIGABRT) == 0);
    CHECK(ready() > 1);
    close(sock);
    int status = -1;
    CHECK(waitpid(keeper, &status, 0) == keeper);
    CHECK_INT(status, 0);
}

TEST(one_that_keeps_dying_is_given_up)
{
    CHECK_INT(wr_engine_start(&fake, &sock, &keeper, &err), 0);
    for (int i = 0; i < 5; i++)
        CHECK(kill(ready(), SIGKILL) == 0);
    CHECK(peer_closed(sock));
    CHECK(waitpid(keeper, NULL, 0) == keeper);
}

TEST(shutdown_ends_the_keeper)
{
    CHECK_INT(wr_engine_start(&fake, &sock, &keeper, &err), 0);
    (void)ready();
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK(waitpid(keeper, NULL, 0) == keeper);
    CHECK(peer_closed(sock));
}

TEST(the_end_of_the_keeper_ends_the_engine)
{
    CHECK_INT(wr_engine_start(&fake, &sock, &keeper, &err), 0);
    (void)ready();
    CHECK(kill(keeper, SIGKILL) == 0 && waitpid(keeper, NULL, 0) == keeper);
    CHECK(peer_closed(sock));
}

TEST(a_start_that_fails_says_why)
{
    const struct wr_engine_opts bad = {.data_dir = "/proc/nowhere", .run_dir = "/proc/nowhere"};
    sock = -7;
    CHECK(wr_engine_start(&bad, &sock, &keeper, &err) < 0);
    CHECK(strstr(err.msg, "/proc/nowhere"));
    CHECK_INT(sock, -7);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* The engine has no part in what the server has open, nor in its terminal and signals. */
TEST(nothing_of_the_server_is_inherited)
{
    char path[64], line[4096];
    int mine[2];
    sigset_t set;
    sigfillset(&set);
    CHECK(pipe2(mine, O_CLOEXEC) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK_INT(wr_engine_start(&fake, &sock, &keeper, &err), 0);
    pid_t engine = ready();
    close(mine[1]);
    CHECK_INT(read(mine[0], line, 1), 0); /* nobody else holds the other end */
    CHECK(getsid(engine) == keeper && getsid(keeper) == keeper);
    snprintf(path, sizeof(path), "/proc/%d/status", engine);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    CHECK(len > 0);
    line[len] = '\0';
    CHECK(strstr(line, "SigBlk:\t0000000000000000"));
}

TEST(the_engine_may_open_many_files)
{
    struct rlimit limit, theirs;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 100;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_INT(wr_engine_start(&fake, &sock, &keeper, &err), 0);
    CHECK(prlimit(ready(), RLIMIT_NOFILE, NULL, &theirs) == 0);
    CHECK_INT(theirs.rlim_cur, limit.rlim_max);
}
