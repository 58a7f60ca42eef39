/*
 * Keeper and engine. The keeper holds the engine's end of the socket, so a killed engine
 * can be replaced without the server losing its connection. Sandboxes that were restored from disk
 * are its children (docs/internals/snapshot.md): it reaps them. It does nothing else.
 */
#include "engine/main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/engine.h"
#include "log/log.h"
#include "sys/message.h"

/* An engine that keeps dying is not restarted for ever; one that lived that long counts as a good
 * one. */
#define MAX_QUICK_DEATHS 5
#define LONG_LIFE_MS     60000

/*
 * The process was forked from the server (or from the CLI): of its descriptors only stdio and these
 * two stay, so that no socket of the server lives on in the engine. Signals of its terminal are not
 * for us, its signal mask neither.
 */
static void leave_server(int *sock, int *ready_fd)
{
    sigset_t none;
    int high_sock = fcntl(*sock, F_DUPFD_CLOEXEC, 64),
        high_ready = fcntl(*ready_fd, F_DUPFD_CLOEXEC, 64);

    sigemptyset(&none);
    (void)setsid();
    if (high_sock < 0 || high_ready < 0 || dup3(high_sock, 3, O_CLOEXEC) < 0 ||
        dup3(high_ready, 4, O_CLOEXEC) < 0 || close_range(5, ~0U, 0) < 0 ||
        sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(1);
    *sock = 3;
    *ready_fd = 4;
}

/* The default of 1024 descriptors would be enough for about a hundred sandboxes. Nests inherit it;
 * each sandbox gets its own. */
static void raise_open_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static WR_NORETURN void run_engine(const struct wr_engine_opts *opts, pid_t keeper, int sock,
                                   int ready_fd)
{
    (void)prctl(PR_SET_NAME, "warren-engine", 0, 0, 0);
    /* The keeper is its only restart; an engine without one would fight with the next over the
     * data directory. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != keeper)
        _exit(1);
    raise_open_files();
    (void)signal(SIGPIPE, SIG_IGN);
    wr_log_init("engine", WR_LOG_INFO);
    _exit(wr_engine_run(opts, sock, ready_fd));
}

/* Waits for the engine, and for whatever else ends meanwhile. False when it cannot be known how the
 * engine ended. */
static bool wait_for_engine(pid_t engine, int *ret_status)
{
    pid_t pid = 0;

    do
        pid = waitpid(-1, ret_status, 0);
    while ((pid >= 0 && pid != engine) || (pid < 0 && errno == EINTR));
    return pid == engine;
}

static WR_NORETURN void supervise(const struct wr_engine_opts *opts, int sock, int ready_fd)
{
    const pid_t self = getpid();

    (void)prctl(PR_SET_NAME, "warren-keeper", 0, 0, 0);
    leave_server(&sock, &ready_fd);
    /* Without it, restored sandboxes are children of the host's first process, which reaps as well.
     */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (int deaths = 0; deaths < MAX_QUICK_DEATHS; deaths++) {
        uint64_t start_ms = wr_mono_ms();
        pid_t pid = fork();
        if (pid == 0)
            run_engine(opts, self, sock, ready_fd);
        ready_fd = wr_close(ready_fd);
        int status = 0;
        if (pid < 0 || !wait_for_engine(pid, &status) || WIFEXITED(status))
            break;
        if (wr_mono_ms() - start_ms >= LONG_LIFE_MS)
            deaths = 0;
        wr_log(WR_LOG_ERROR, "the engine was killed; starting another one", NULL);
    }
    _exit(0);
}

static int wait_until_ready(int fd, struct wr_error *err)
{
    struct wr_error status;

    if (wr_read_full(fd, &status, sizeof(status)) != (ssize_t)sizeof(status))
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine died while it started; its log says why");
    int rc = wr_error_received(&status);
    if (rc < 0)
        *err = status;
    return rc;
}

int wr_engine_start(const struct wr_engine_opts *opts, int *ret_sock, pid_t *ret_pid,
                    struct wr_error *err)
{
    int pair[2], pipe_fds[2];
    int rc = wr_message_pair(pair);

    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "make the engine's socket");
    wr_auto_close int ours = pair[0];
    wr_auto_close int theirs = pair[1];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a pipe");
    wr_auto_close int ready_read = pipe_fds[0];
    wr_auto_close int ready_write = pipe_fds[1];
    pid_t pid = fork();
    if (pid < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "fork the engine");
    if (pid == 0)
        supervise(opts, theirs, ready_write);
    theirs = wr_close(theirs);
    ready_write = wr_close(ready_write);
    rc = wait_until_ready(ready_read, err);
    if (rc == 0 && wr_fd_set_nonblock(ours, true) < 0)
        rc = wr_fail(err, WR_E_INTERNAL, 0, "make the engine's socket non-blocking");
    if (rc < 0) {
        ours = wr_close(ours); /* an engine that was restarted meanwhile ends by that */
        (void)waitpid(pid, NULL, 0);
        return rc;
    }
    *ret_sock = wr_steal_fd(&ours);
    *ret_pid = pid;
    return 0;
}
