#include "engine/snapshot/page_check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/snapshot/image.h"

int wr_page_check_begin(int image_dirfd, const struct wr_manifest *manifest,
                        struct wr_page_check *ret, struct wr_error *err)
{
    const pid_t job = getpid();
    struct wr_error result = {0};
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "check the image");
    const pid_t pid = fork();
    if (pid == 0) {
        /* The end of a job that is killed is the end of this one, too. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != job)
            _exit(1);
        (void)!wr_image_check(image_dirfd, manifest, WR_IMAGE_PAGES, &result);
        _exit(wr_write_all(fds[1], &result, sizeof(result)) < 0);
    }
    (void)wr_close(fds[1]);
    if (pid < 0) {
        (void)wr_close(fds[0]);
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "check the image");
    }
    *ret = (struct wr_page_check){.pid = pid, .result_fd = fds[0]};
    return 0;
}

static void reap(struct wr_page_check *check)
{
    check->result_fd = wr_close(check->result_fd);
    while (waitpid(check->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    check->pid = 0;
}

int wr_page_check_wait(struct wr_page_check *check, struct wr_error *err)
{
    if (check->pid > 0) {
        if (wr_read_full(check->result_fd, &check->result, sizeof(check->result)) !=
            (ssize_t)sizeof(check->result))
            (void)wr_fail(&check->result, WR_E_INTERNAL, 0, "check the image: it was interrupted");
        reap(check);
    }
    if (check->result.code == 0)
        return 0;
    *err = check->result;
    return -err->code;
}

void wr_page_check_done(struct wr_page_check *check)
{
    if (check->pid <= 0)
        return;
    (void)kill(check->pid, SIGKILL); /* a child that nobody else waits for */
    reap(check);
}
