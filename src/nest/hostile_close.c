#include "nest/hostile_close.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "base/fd.h"

#define CLOSE_MAX_US 20000

static void ignore(int sig)
{
    (void)sig;
}

int wr_hostile_close_init(void)
{
    struct sigaction action = {.sa_handler = ignore};

    return sigaction(SIGALRM, &action, NULL) < 0 ? -errno : 0;
}

void wr_hostile_close_limit(bool on)
{
    const struct timeval limit = {0, on ? CLOSE_MAX_US : 0};

    (void)setitimer(ITIMER_REAL, &(struct itimerval){limit, limit}, NULL);
}

void wr_hostile_close(const int *fds, size_t count)
{
    wr_hostile_close_limit(true);
    for (size_t i = 0; i < count; i++)
        (void)wr_close(fds[i]);
    wr_hostile_close_limit(false);
}
