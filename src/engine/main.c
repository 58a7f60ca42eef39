/*
 * Supervisor and engine. The supervisor holds the engine's end of the socket, so a killed engine can be replaced without the server
 * losing its connection; it does nothing else.
 */
#include "engine/main.h"

#include "base/fd.h"
#include "engine/engine.h"
#include "log/log.h"
#include "sys/message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* An engine that keeps dying is not restarted for ever. */
#define MAX_QUICK_DEATHS 5

static WR_NORETURN void run_engine(const struct wr_engine_opts *opts, int sock, int ready_fd)
{
    (void)prctl(PR_SET_NAME, "warren-engine", 0, 0, 0);
    /* The supervisor is its only restart; an engine without one would fight with the next over the data directory. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    wr_log_init("engine", WR_LOG_INFO);
    _exit(wr_engine_run(opts, sock, ready_fd));
}

static WR_NORETURN void supervise(const struct wr_engine_opts *opts, int sock, int ready_fd)
{
    (void)prctl(PR_SET_NAME, "warren-keeper", 0, 0, 0);
    for (int deaths = 0; deaths < MAX_QUICK_DEATHS; deaths++) {
        pid_t pid = fork();
        if (pid == 0)
            run_engine(opts, sock, ready_fd);
        ready_fd = wr_close(ready_fd);
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || WIFEXITED(status))
            break;
        wr_log(WR_LOG_ERROR, "the engine was killed; starting another one", NULL);
    }
    _exit(0);
}

static int wait_until_ready(int fd, struct wr_error *err)
{
    struct wr_error status;

    if (wr_read_full(fd, &status, sizeof(status)) != (ssize_t)sizeof(status))
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine died while it started; its log says why");
    if (status.code == 0)
        return 0;
    status.msg[sizeof(status.msg) - 1] = '\0';
    *err = status;
    return -status.code;
}

int wr_engine_start(const struct wr_engine_opts *opts, int *ret_sock, pid_t *ret_pid, struct wr_error *err)
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
    if (pid == 0) {
        wr_close(ours);
        wr_close(ready_read);
        supervise(opts, theirs, ready_write);
    }
    ready_write = wr_close(ready_write);
    rc = wait_until_ready(ready_read, err);
    if (rc == 0 && wr_fd_set_nonblock(ours, true) < 0)
        rc = wr_fail(err, WR_E_INTERNAL, 0, "make the engine's socket non-blocking");
    if (rc < 0) {
        (void)waitpid(pid, NULL, 0);
        return rc;
    }
    *ret_sock = wr_steal_fd(&ours);
    *ret_pid = pid;
    return 0;
}
