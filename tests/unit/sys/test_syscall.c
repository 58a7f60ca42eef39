#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/syscall.h"
#include "test.h"

TEST(clone3_with_a_pidfd)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    pid_t pid = wr_clone3(&args);
    if (pid == 0) {
        (void)pause();
        _exit(1);
    }
    CHECK(pid > 0);
    CHECK(pidfd >= 0);
    CHECK_INT(wr_pidfd_send_signal(pidfd, SIGTERM), 0);
    int status = 0;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGTERM);
    CHECK_INT(wr_pidfd_send_signal(pidfd, SIGTERM), -ESRCH);
    (void)close(pidfd);
    args = (struct clone_args){.flags = CLONE_SIGHAND};
    CHECK_INT(wr_clone3(&args), -EINVAL);
}

TEST(pidfd_open)
{
    wr_auto_close int fd = wr_pidfd_open(getpid());
    CHECK(fd >= 0);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(wr_pidfd_open(-1), -EINVAL);
}

TEST(openat2_resolves_in_root)
{
    wr_auto_close int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(proc >= 0);
    wr_auto_close int fd = wr_openat2(proc, "status", O_RDONLY | O_CLOEXEC, 0, RESOLVE_BENEATH);
    CHECK(fd >= 0);
    CHECK_INT(wr_openat2(proc, "../version", O_RDONLY | O_CLOEXEC, 0, RESOLVE_BENEATH), -EXDEV);
    CHECK_INT(wr_openat2(proc, "exe", O_RDONLY | O_CLOEXEC, 0, RESOLVE_NO_MAGICLINKS), -ELOOP);
    CHECK_INT(wr_openat2(proc, "none", O_RDONLY | O_CLOEXEC, 0, 0), -ENOENT);
}

TEST(set_ids_is_complete_and_final)
{
    if (geteuid() != 0) {
        CHECK_INT(wr_set_ids(0, 0), -EPERM);
        return;
    }
    CHECK_INT(wr_set_ids(65534, 65533), 0);
    uid_t r = 0, e = 0, s = 0;
    gid_t gr = 0, ge = 0, gs = 0;
    CHECK_INT(getresuid(&r, &e, &s), 0);
    CHECK_INT(getresgid(&gr, &ge, &gs), 0);
    CHECK(r == 65534 && e == 65534 && s == 65534);
    CHECK(gr == 65533 && ge == 65533 && gs == 65533);
    CHECK_INT(getgroups(0, NULL), 0);
    CHECK_INT(wr_set_ids(0, 0), -EPERM);
}

TEST(join_session_keyring)
{
    int r = wr_keyctl_join_session();
    CHECK(r == 0 || r == -ENOSYS || r == -EPERM); /* some containers forbid keyrings */
}
