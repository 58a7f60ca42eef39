#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/isolate/userns.h"
#include "test.h"

static struct wr_error err;

/* "0 <base> <count>" as a process inside sees it. */
static void check_map(int userns_fd, const char *file, unsigned base, unsigned count)
{
    pid_t pid = fork();
    if (pid == 0) {
        unsigned inside = 1, outside = 0, len = 0;
        if (setns(userns_fd, CLONE_NEWUSER) < 0)
            _exit(1);
        FILE *f = fopen(file, "re");
        _exit(f && fscanf(f, "%u %u %u", &inside, &outside, &len) == 3 && inside == 0 &&
                      outside == base && len == count
                  ? 0
                  : 2);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

TEST(maps_one_range)
{
    int fd = -1;
    NEEDS_ROOT();
    CHECK_INT(wr_userns_new(0x50010000, 65536, &fd, &err), 0);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    check_map(fd, "/proc/self/uid_map", 0x50010000, 65536);
    check_map(fd, "/proc/self/gid_map", 0x50010000, 65536);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 &&
          errno == ECHILD); /* the namespace lives by its descriptor alone */
}

TEST(impossible_maps_leave_nothing)
{
    int fd = -7;
    NEEDS_ROOT();
    CHECK_INT(wr_userns_new(0x50010000, 0, &fd, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_userns_new(0xfffffff0, 65536, &fd, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(fd, -7);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* The process that is forked for a namespace has copies of all descriptors: it must end with the
 * engine. */
TEST(nothing_outlives_a_killed_maker)
{
    NEEDS_ROOT();
    for (int round = 0; round < 40; round++) {
        int fds[2];
        CHECK(pipe2(fds, O_CLOEXEC) == 0);
        pid_t pid = fork();
        if (pid == 0) {
            int fd = -1;
            (void)!write(fds[1], "s", 1);
            for (;;) {
                if (wr_userns_new(0x50010000, 65536, &fd, &err) < 0)
                    _exit(1);
                close(fd);
            }
        }
        fds[1] = wr_close(fds[1]);
        char byte;
        CHECK(read(fds[0], &byte, 1) == 1);
        usleep((useconds_t)(rand() % 3000));
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        CHECK_INT(poll(&p, 1, 5000), 1);
        CHECK_INT(read(fds[0], &byte, 1), 0);
        close(fds[0]);
    }
}
