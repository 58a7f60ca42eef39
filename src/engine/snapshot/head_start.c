#include "engine/snapshot/head_start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define EVERY_MS 5
#define PAGES    "pages-" /* nothing else is large */

static void push(int image_dirfd)
{
    int fd = openat(image_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        wr_close(fd);
        return;
    }
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        wr_auto_close int file =
            wr_starts_with(e->d_name, PAGES)
                ? openat(image_dirfd, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                : -1;
        if (file >= 0)
            (void)sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    (void)closedir(dir);
}

static void run(int image_dirfd, int stop_fd)
{
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};

    while (poll(&stop, 1, EVERY_MS) == 0)
        push(image_dirfd);
}

void wr_head_start_begin(int image_dirfd, struct wr_head_start *ret)
{
    const pid_t job = getpid();
    int fds[2];

    *ret = (struct wr_head_start){.stop_fd = -1};
    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)wr_close(fds[1]);
        (void)prctl(PR_SET_NAME, "warren-flush", 0, 0, 0);
        /* The end of a job that is killed is the end of this one, too. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == job)
            run(image_dirfd, fds[0]);
        _exit(0);
    }
    (void)wr_close(fds[0]);
    if (pid < 0) {
        (void)wr_close(fds[1]);
        return;
    }
    *ret = (struct wr_head_start){.pid = pid, .stop_fd = fds[1]};
}

void wr_head_start_end(struct wr_head_start *head_start)
{
    head_start->stop_fd = wr_close(head_start->stop_fd);
    while (head_start->pid > 0 && waitpid(head_start->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    head_start->pid = 0;
}
