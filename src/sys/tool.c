#include "sys/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sys/syscall.h"

#define TICK_MS  400
#define DRAIN_MS 5000

/* What the supervisor reports; smaller than PIPE_BUF, so that it arrives whole. */
struct report {
    int exec_errno;
    int wait_status;
};

/* Both ends of each pipe, -1 when closed. */
struct pipes {
    int life[2];   /* the caller holds the write end: end of file tells the supervisor to kill the
                      group */
    int output[2]; /* stdout and stderr of the program */
    int report[2]; /* supervisor to caller */
};

static void pipes_done(struct pipes *p)
{
    int *fds[] = {&p->life[0],   &p->life[1],   &p->output[0],
                  &p->output[1], &p->report[0], &p->report[1]};
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        *fds[i] = wr_close(*fds[i]);
}

static int pipes_open(struct pipes *p)
{
    if (pipe2(p->life, O_CLOEXEC) < 0 || pipe2(p->output, O_CLOEXEC) < 0 ||
        pipe2(p->report, O_CLOEXEC) < 0)
        return -errno;
    return 0;
}

static WR_NORETURN void program(const struct wr_tool *tool, const struct pipes *p)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct report r = {0};
    /* What the caller ignores or blocks must not decide for the program. */
    wr_signals_reset();
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(p->output[1], STDOUT_FILENO) >= 0 &&
        dup2(p->output[1], STDERR_FILENO) >= 0) {
        /* execvpe searches the PATH of this process, which has to be the one that was asked for. */
        environ = (char **)(uintptr_t)tool->env;
        execvp(tool->argv[0], (char *const *)(uintptr_t)tool->argv);
    }
    r.exec_errno = errno;
    (void)!write(p->report[1], &r, sizeof(r));
    _exit(127);
}

/* The leader of the process group: waits for the program or for the end of the caller, whatever
 * comes first. */
static WR_NORETURN void supervise(const struct wr_tool *tool, struct pipes *p)
{
    sigset_t none;
    sigemptyset(&none);
    (void)prctl(PR_SET_NAME, "warren-tool");
    p->life[1] = wr_close(p->life[1]);
    p->output[0] = wr_close(p->output[0]);
    /* Out of the caller's group before signals of a terminal are let in again. */
    if (setpgid(0, 0) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(126);
    if (tool->private_mounts &&
        (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)) {
        struct report r = {.exec_errno = errno};
        (void)!write(p->report[1], &r, sizeof(r));
        _exit(126);
    }
    pid_t pid = fork();
    if (pid == 0)
        program(tool, p);
    p->output[1] = wr_close(p->output[1]);
    int pidfd = pid > 0 ? wr_pidfd_open(pid) : -1;
    if (pidfd < 0)
        kill(0, SIGKILL);
    struct pollfd fds[] = {{.fd = p->life[0], .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    while (poll(fds, WR_ARRAY_SIZE(fds), -1) < 0 && errno == EINTR)
        continue;
    if (fds[0].revents)
        kill(0, SIGKILL);
    struct report r = {0};
    while (waitpid(pid, &r.wait_status, 0) < 0 && errno == EINTR)
        continue;
    (void)!write(p->report[1], &r, sizeof(r));
    /* Whatever the program left behind in the group ends here, this process included. */
    kill(0, SIGKILL);
    _exit(0);
}

struct lines {
    const struct wr_tool *tool;
    char text[WR_TOOL_LINE_MAX];
    size_t len;
};

static void lines_flush(struct lines *l)
{
    l->text[l->len] = '\0';
    if (l->len && l->tool->line)
        l->tool->line(l->text, l->tool->data);
    l->len = 0;
}

static void lines_feed(struct lines *l, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (c == '\n' || c == '\r' || l->len == sizeof(l->text) - 1)
            lines_flush(l);
        if (c == '\n' || c == '\r')
            continue;
        /* Output of others ends up on a terminal: no control characters. */
        l->text[l->len++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
}

/* Reads the output until its end. */
static int pump(const struct wr_tool *tool, int output_fd)
{
    uint64_t start_ms = wr_mono_ms();
    struct lines lines = {.tool = tool};
    struct pollfd fds[] = {{.fd = output_fd, .events = POLLIN},
                           {.fd = tool->cancel_fd, .events = POLLIN}};
    for (;;) {
        int n = poll(fds, WR_ARRAY_SIZE(fds), TICK_MS);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (tool->tick)
            tool->tick(tool->data);
        if (tool->timeout_ms && wr_mono_ms() - start_ms >= tool->timeout_ms)
            return -ETIMEDOUT;
        if (n <= 0)
            continue;
        if (fds[1].revents)
            return -ECANCELED;
        if (!fds[0].revents)
            continue;
        char chunk[8192];
        ssize_t len = read(output_fd, chunk, sizeof(chunk));
        if (len < 0 && errno != EINTR)
            return -errno;
        if (len == 0) {
            lines_flush(&lines);
            return 0;
        }
        if (len > 0)
            lines_feed(&lines, chunk, (size_t)len);
    }
}

static int outcome(int report_fd, int *ret_status)
{
    struct report r;
    if (wr_read_full(report_fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
        return -EPIPE;
    if (r.exec_errno)
        return -r.exec_errno;
    *ret_status =
        WIFEXITED(r.wait_status) ? WEXITSTATUS(r.wait_status) : 128 + WTERMSIG(r.wait_status);
    return 0;
}

/* The killed processes of the group are gone when nobody holds the output open: only then may their
 * files be removed. */
static void drain(int output_fd)
{
    struct pollfd fd = {.fd = output_fd, .events = POLLIN};
    char chunk[8192];
    uint64_t end_ms = wr_mono_ms() + DRAIN_MS;
    while (wr_mono_ms() < end_ms && poll(&fd, 1, TICK_MS) >= 0)
        if (fd.revents && read(output_fd, chunk, sizeof(chunk)) <= 0)
            break;
}

int wr_tool_run(const struct wr_tool *tool, int *ret_status)
{
    WR_CLEANUP(pipes_done) struct pipes p = {{-1, -1}, {-1, -1}, {-1, -1}};
    int rc = pipes_open(&p);
    if (rc < 0)
        return rc;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        supervise(tool, &p);
    p.life[0] = wr_close(p.life[0]);
    p.output[1] = wr_close(p.output[1]);
    p.report[1] = wr_close(p.report[1]);
    rc = pump(tool, p.output[0]);
    if (rc == 0)
        rc = outcome(p.report[0], ret_status);
    p.life[1] = wr_close(p.life[1]);
    drain(p.output[0]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return rc;
}
