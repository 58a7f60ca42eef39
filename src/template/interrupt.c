#include "template/interrupt.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"

int wr_interrupt_open(struct wr_interrupt *in, struct wr_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    wr_auto_close int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot watch for signals");
    if (sigprocmask(SIG_BLOCK, &set, &in->before) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot block signals");
    in->fd = wr_steal_fd(&fd);
    return 0;
}

void wr_interrupt_done(struct wr_interrupt *in)
{
    if (in->fd < 0)
        return;
    struct signalfd_siginfo info;
    /* The caller was told of the signal by CANCELED and cleans up; without this, the signal would
     * kill it first. */
    while (read(in->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        continue;
    in->fd = wr_close(in->fd);
    (void)sigprocmask(SIG_SETMASK, &in->before, NULL);
}
