#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "test.h"

static bool fires(const struct wr_interrupt *interrupt)
{
    struct pollfd fired = {.fd = wr_cancel_fd(wr_interrupt_cancel(interrupt)), .events = POLLIN};

    return poll(&fired, 1, 20000) == 1;
}

static void taken(int signo)
{
    struct wr_error err = {0};
    struct wr_interrupt *interrupt = NULL;
    sigset_t before, after;

    sigprocmask(SIG_SETMASK, NULL, &before);
    CHECK_INT(wr_interrupt_new(&interrupt, &err), 0);
    CHECK_INT(wr_interrupt_signal(interrupt), 0);
    CHECK(!wr_cancel_fired(wr_interrupt_cancel(interrupt)));
    CHECK_INT(kill(getpid(), signo), 0);
    CHECK(fires(interrupt));
    CHECK_INT(wr_interrupt_signal(interrupt), signo);
    CHECK(!wr_interrupt_free(interrupt));
    sigprocmask(SIG_SETMASK, NULL, &after);
    CHECK_INT(sigismember(&after, signo), sigismember(&before, signo));
}

TEST(the_first_signal_fires)
{
    taken(SIGINT);
    taken(SIGTERM);
    taken(SIGHUP);
}

TEST(the_second_one_ends_the_process)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct wr_error err = {0};
        struct wr_interrupt *interrupt = NULL;
        if (wr_interrupt_new(&interrupt, &err) < 0 || kill(getpid(), SIGINT) < 0 ||
            !fires(interrupt) || kill(getpid(), SIGTERM) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 128 + SIGTERM);
}

TEST(a_reader_that_is_gone_counts_as_a_signal)
{
    struct wr_error err = {0};
    struct wr_interrupt *interrupt = NULL;

    CHECK_INT(wr_interrupt_new(&interrupt, &err), 0);
    wr_interrupt_raise(interrupt, SIGPIPE);
    wr_interrupt_raise(interrupt, SIGINT);
    CHECK_INT(wr_interrupt_signal(interrupt), SIGPIPE);
    CHECK(wr_cancel_fired(wr_interrupt_cancel(interrupt)));
    wr_interrupt_free(interrupt);
    CHECK(!wr_interrupt_free(NULL));
}
