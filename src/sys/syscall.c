#include "sys/syscall.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <unistd.h>

/* The kernel's result, with errno folded into it. */
static int result(long r)
{
    return r < 0 ? -errno : (int)r;
}

pid_t wr_clone3(struct clone_args *args)
{
    return result(syscall(SYS_clone3, args, sizeof(*args)));
}

int wr_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return result(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
}

int wr_pidfd_open(pid_t pid)
{
    return result(syscall(SYS_pidfd_open, pid, 0));
}

int wr_pidfd_send_signal(int pidfd, int sig)
{
    return result(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

int wr_set_ids(uid_t uid, gid_t gid)
{
    int r = result(syscall(SYS_setgroups, 0, NULL));
    if (r == 0)
        r = result(syscall(SYS_setresgid, gid, gid, gid));
    if (r == 0)
        r = result(syscall(SYS_setresuid, uid, uid, uid));
    return r;
}

int wr_keyctl_join_session(void)
{
    int r = result(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
    return r < 0 ? r : 0;
}

void wr_signals_reset(void)
{
    /* struct sigaction as the kernel has it: handler, flags, restorer, mask; SIG_DFL and the rest
     * are zero. */
    static const unsigned long defaults[4];
    static const uint64_t none;

    for (int signo = 1; signo <= 64; signo++)
        (void)syscall(SYS_rt_sigaction, signo, defaults, NULL, sizeof(none)); /* not KILL, STOP */
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}
