#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "test.h"

TEST(close_keeps_errno_and_steal_empties)
{
    int p[2];
    CHECK_INT(pipe2(p, O_CLOEXEC), 0);
    errno = ENOTTY;
    CHECK_INT(wr_close(p[0]), -1);
    CHECK_INT(wr_close(-1), -1);
    CHECK_INT(wr_close(p[0]), -1); /* EBADF inside */
    CHECK_INT(errno, ENOTTY);
    {
        wr_auto_close int owned = p[1];
        int stolen = wr_steal_fd(&owned);
        CHECK_INT(owned, -1);
        CHECK_INT(stolen, p[1]);
    }
    CHECK(fcntl(p[1], F_GETFD) >= 0);
    {
        wr_auto_close int owned = p[1];
        (void)owned;
    }
    CHECK_INT(fcntl(p[1], F_GETFD), -1);
}

TEST(write_all_and_read_full_through_a_small_pipe)
{
    enum { SIZE = 1 << 20 };
    static char data[SIZE], back[SIZE + 10];
    int p[2];
    CHECK_INT(pipe2(p, O_CLOEXEC), 0);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 31 >> 3);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(p[0]);
        _exit(wr_write_all(p[1], data, SIZE) == 0 ? 0 : 1);
    }
    (void)close(p[1]);
    CHECK_INT(wr_read_full(p[0], back, SIZE + 10), SIZE);
    CHECK(memcmp(data, back, SIZE) == 0);
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    (void)close(p[0]);
}

TEST(errors_are_negative_errno)
{
    char c = 0;
    CHECK_INT(wr_write_all(-1, "x", 1), -EBADF);
    CHECK_INT(wr_write_all(-1, "x", 0), 0);
    CHECK_INT(wr_read_full(-1, &c, 1), -EBADF);
    CHECK_INT(wr_fd_set_nonblock(-1, true), -EBADF);
    CHECK_INT(wr_fd_set_cloexec(-1, true), -EBADF);
}

TEST(flags)
{
    int p[2];
    CHECK_INT(pipe2(p, O_CLOEXEC), 0);
    CHECK_INT(wr_fd_set_nonblock(p[0], true), 0);
    char c = 0;
    CHECK_INT(wr_read_full(p[0], &c, 1), -EAGAIN);
    CHECK_INT(wr_fd_set_nonblock(p[0], false), 0);
    CHECK_INT(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT(wr_fd_set_cloexec(p[0], false), 0);
    CHECK_INT(fcntl(p[0], F_GETFD), 0);
    CHECK_INT(wr_fd_set_cloexec(p[0], true), 0);
    CHECK_INT(fcntl(p[0], F_GETFD), FD_CLOEXEC);
    (void)close(p[0]);
    (void)close(p[1]);
}
