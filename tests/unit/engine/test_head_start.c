/* What it does to the disk cannot be seen from outside; that it ends, and does no harm, can. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "engine/snapshot/head_start.h"
#include "test.h"

static char top[] = "/tmp/test_head_start.XXXXXX";

static int make_image(void)
{
    CHECK(mkdtemp(top));
    int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(wr_file_replace(fd, "pages-1.img", "pages", 5, 0644, WR_VOLATILE), 0);
    CHECK_INT(symlinkat("/dev/null", fd, "pages-2.img"), 0);
    CHECK_INT(mkfifoat(fd, "pages-3.img", 0600), 0); /* nobody is at its other end */
    return fd;
}

TEST(it_ends_when_it_is_told)
{
    struct wr_head_start head_start;
    int status = 0;
    wr_auto_close int image = make_image();

    wr_head_start_begin(image, &head_start);
    CHECK(head_start.pid > 0 && head_start.stop_fd >= 0);
    CHECK_INT(kill(head_start.pid, 0), 0);
    CHECK_INT(waitpid(head_start.pid, &status, WNOHANG), 0);
    const pid_t pid = head_start.pid;
    wr_head_start_end(&head_start);
    CHECK_INT(head_start.stop_fd, -1);
    CHECK(waitpid(pid, &status, 0) < 0 && errno == ECHILD);
    wr_head_start_end(&head_start); /* once more is nothing */
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

TEST(it_ends_with_its_job)
{
    struct wr_head_start head_start;
    int fds[2];
    char byte = 0;
    wr_auto_close int image = make_image();

    /* Both have the pipe's writing end: it is at its end when both have ended. */
    CHECK_INT(pipe(fds), 0);
    const pid_t job = fork();
    if (job == 0) {
        (void)close(fds[0]);
        wr_head_start_begin(image, &head_start);
        (void)!write(fds[1], "", 1);
        for (;;)
            (void)pause();
    }
    CHECK(job > 0);
    CHECK_INT(close(fds[1]), 0);
    CHECK_INT(read(fds[0], &byte, 1), 1);
    CHECK_INT(kill(job, SIGKILL), 0);
    CHECK_INT(read(fds[0], &byte, 1), 0);
    CHECK_INT(waitpid(job, NULL, 0), job);
    CHECK_INT(close(fds[0]), 0);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

TEST(without_a_directory_it_does_nothing)
{
    struct wr_head_start head_start;

    wr_head_start_begin(-1, &head_start);
    CHECK(head_start.pid > 0);
    wr_head_start_end(&head_start);
    CHECK_INT(head_start.pid, 0);
}
