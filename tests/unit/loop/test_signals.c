#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "loop/loop.h"
#include "test.h"

static struct wr_loop *loop;
static struct wr_error err;
static int counts[64];

static void on_signal(int signo, void *data)
{
    counts[signo]++;
    if (data)
        wr_signals_remove(data);
}

TEST(signals_arrive_through_the_loop)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_signals signals = {0};
    wr_signals_remove(&signals); /* zeroed: must not close descriptor 0 */
    CHECK(fcntl(0, F_GETFD) >= 0);
    CHECK_INT(wr_signals_add(loop, &signals, (int[]){SIGUSR1, SIGTERM, 0}, on_signal, NULL, &err),
              0);
    CHECK_INT(fcntl(signals.fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(raise(SIGTERM), 0);
    CHECK_INT(wr_loop_step(loop, -1, &err), 0);
    CHECK_INT(wr_loop_step(loop, 0, &err), 0);
    CHECK_INT(wr_loop_step(loop, 0, &err), 0);
    CHECK_INT(counts[SIGUSR1], 1);
    CHECK_INT(counts[SIGTERM], 1);
    wr_signals_remove(&signals);
    CHECK_INT(signals.fd, -1);
    wr_signals_remove(&signals);
    CHECK_INT(raise(SIGTERM), 0); /* still blocked */
    loop = wr_loop_free(loop);
}

TEST(removal_inside_the_callback)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_signals signals = {0};
    CHECK_INT(
        wr_signals_add(loop, &signals, (int[]){SIGUSR1, SIGUSR2, 0}, on_signal, &signals, &err), 0);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(raise(SIGUSR2), 0);
    CHECK_INT(wr_loop_step(loop, -1, &err), 0);
    CHECK_INT(wr_loop_step(loop, 0, &err), 0);
    CHECK_INT(counts[SIGUSR1] + counts[SIGUSR2], 1);
    loop = wr_loop_free(loop);
}

TEST(bad_signal_numbers_change_nothing)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_signals signals = {0};
    CHECK_INT(wr_signals_add(loop, &signals, (int[]){SIGUSR1, 9999, 0}, on_signal, NULL, &err),
              -WR_E_INVALID_ARGUMENT);
    sigset_t mask;
    CHECK_INT(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    CHECK_INT(sigismember(&mask, SIGUSR1), 0);
    CHECK(!signals.fn);
    loop = wr_loop_free(loop);
}
