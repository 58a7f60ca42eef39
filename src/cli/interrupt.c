#include "cli/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"

struct wr_interrupt {
    struct wr_cancel *cancel;
    pthread_t thread;
    bool started;
    int signal_fd, end_fd;
    sigset_t before;
    atomic_int signo;
};

void wr_interrupt_raise(struct wr_interrupt *interrupt, int signo)
{
    int none = 0;

    (void)atomic_compare_exchange_strong(&interrupt->signo, &none, signo);
    wr_cancel_fire(interrupt->cancel);
}

/* False: nothing more is to be read. */
static bool take_signal(struct wr_interrupt *interrupt)
{
    struct signalfd_siginfo info;

    ssize_t n = read(interrupt->signal_fd, &info, sizeof info);
    if (n != (ssize_t)sizeof info)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    /* Whoever asks twice does not want to wait; what is left behind ends at its deadline. */
    if (atomic_load(&interrupt->signo) != 0)
        _exit(128 + (int)info.ssi_signo);
    wr_interrupt_raise(interrupt, (int)info.ssi_signo);
    return true;
}

static void *watch(void *data)
{
    struct wr_interrupt *interrupt = data;
    struct pollfd fds[] = {{.fd = interrupt->signal_fd, .events = POLLIN},
                           {.fd = interrupt->end_fd, .events = POLLIN}};

    for (;;) {
        int r = poll(fds, WR_ARRAY_SIZE(fds), -1);
        if ((r < 0 && errno != EINTR) || (r > 0 && fds[1].revents))
            return NULL;
        if (r > 0 && fds[0].revents && !take_signal(interrupt))
            return NULL;
    }
}

int wr_interrupt_new(struct wr_interrupt **ret, struct wr_error *err)
{
    static const int signos[] = {SIGINT, SIGTERM, SIGHUP};
    struct wr_interrupt *interrupt = wr_calloc(1, sizeof *interrupt);
    sigset_t set;

    if (!interrupt)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "signals");
    interrupt->signal_fd = interrupt->end_fd = -1;
    atomic_init(&interrupt->signo, 0);
    sigemptyset(&set);
    for (size_t i = 0; i < WR_ARRAY_SIZE(signos); i++)
        sigaddset(&set, signos[i]);
    (void)pthread_sigmask(SIG_BLOCK, &set, &interrupt->before);
    interrupt->cancel = wr_cancel_new(NULL, err);
    int r = interrupt->cancel ? 0 : -err->code;
    if (r == 0) {
        interrupt->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        interrupt->end_fd = eventfd(0, EFD_CLOEXEC);
        if (interrupt->signal_fd < 0 || interrupt->end_fd < 0)
            r = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "signals");
    }
    if (r == 0 && pthread_create(&interrupt->thread, NULL, watch, interrupt) != 0)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "a thread for signals");
    if (r < 0) {
        wr_interrupt_free(interrupt);
        return r;
    }
    interrupt->started = true;
    (void)pthread_setname_np(interrupt->thread, "warren-signals");
    *ret = interrupt;
    return 0;
}

struct wr_interrupt *wr_interrupt_free(struct wr_interrupt *interrupt)
{
    if (!interrupt)
        return NULL;
    if (interrupt->started) {
        (void)!eventfd_write(interrupt->end_fd, 1); /* cannot fail: the counter is at 0 */
        (void)pthread_join(interrupt->thread, NULL);
    }
    (void)wr_close(interrupt->signal_fd);
    (void)wr_close(interrupt->end_fd);
    wr_cancel_free(interrupt->cancel);
    (void)pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
    free(interrupt);
    return NULL;
}

struct wr_cancel *wr_interrupt_cancel(const struct wr_interrupt *interrupt)
{
    return interrupt->cancel;
}

int wr_interrupt_signal(const struct wr_interrupt *interrupt)
{
    return atomic_load(&interrupt->signo);
}
