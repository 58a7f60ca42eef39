#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/fd.h"
#include "loop/loop.h"

/* One signal per call: the callback may free `data`, and level triggering brings the rest. */
static void on_signal(struct wr_source *source, uint32_t events WR_UNUSED, void *data)
{
    struct wr_signals *signals = data;
    struct signalfd_siginfo info;
    if (wr_read_full(source->fd, &info, sizeof(info)) == sizeof(info))
        signals->fn((int)info.ssi_signo, signals->data);
}

int wr_signals_add(struct wr_loop *loop, struct wr_signals *signals, const int *signos,
                   void (*fn)(int signo, void *data), void *data, struct wr_error *err)
{
    sigset_t set, old;
    (void)sigemptyset(&set);
    for (; *signos != 0; signos++)
        if (sigaddset(&set, *signos) < 0)
            return wr_fail_errno(err, WR_E_INVALID_ARGUMENT, "signal %d", *signos);
    wr_auto_close int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "signalfd");
    struct wr_signals added = {.fd = fd, .fn = fn, .data = data};
    if (sigprocmask(SIG_BLOCK, &set, &old) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "sigprocmask");
    *signals = added;
    int r = wr_source_add(loop, &signals->source, fd, EPOLLIN, on_signal, signals, err);
    if (r < 0) {
        *signals = (struct wr_signals){.fd = -1};
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        return r;
    }
    (void)wr_steal_fd(&fd);
    return 0;
}

void wr_signals_remove(struct wr_signals *signals)
{
    /* Not `fd`: it is 0 in a zeroed struct. */
    if (!signals->fn)
        return;
    wr_source_remove(&signals->source);
    (void)wr_close(signals->fd);
    *signals = (struct wr_signals){.fd = -1};
}
