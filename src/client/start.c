#include "client/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#define LOCK_RETRY_MS 20

static bool nobody_listens(const struct wr_error *err)
{
    return err->os_errno == ENOENT || err->os_errno == ECONNREFUSED;
}

/* How long a start is waited for. */
struct patience {
    uint64_t end_ms;
    int cancel_fd; /* -1: none */
};

/* 1: `fd` (-1: none) is readable. 0: it is not, after at most `max_ms` and before the end. CANCELED
 * by the descriptor for that. */
static int wait_for(const struct patience *patience, int fd, uint64_t max_ms, struct wr_error *err)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                           {.fd = patience->cancel_fd, .events = POLLIN}};
    uint64_t now = wr_mono_ms();
    uint64_t end_ms = WR_MIN(patience->end_ms, max_ms > UINT64_MAX - now ? max_ms : now + max_ms);

    for (;; now = wr_mono_ms()) {
        uint64_t left = now < end_ms ? end_ms - now : 0;
        int r = poll(fds, WR_ARRAY_SIZE(fds), (int)WR_MIN(left, (uint64_t)INT_MAX));
        if (r < 0 && errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "wait for the server");
        if (r > 0 && fds[1].revents)
            return wr_fail(err, WR_E_CANCELED, 0, "canceled while a server starts");
        if (r > 0)
            return 1;
        if (r == 0 && left <= INT_MAX)
            return 0;
    }
}

/* The lock that makes concurrent starters wait for the first one. */
static int take_start_lock(const char *socket_path, const struct patience *patience, int *ret_fd,
                           struct wr_error *err)
{
    wr_auto_free char *path = wr_asprintf("%s.start", socket_path);
    wr_auto_free char *dir = wr_strdup(socket_path);
    char *slash = dir ? strrchr(dir, '/') : NULL;

    if (!path || !dir)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "socket path");
    if (!slash)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "socket %s: not an absolute path",
                       socket_path);
    *slash = '\0';
    int r = *dir ? wr_mkdir_parents(AT_FDCWD, dir, 0711) : 0;
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "make directory %s", dir);
    wr_auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %s", path);
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "lock %s", path);
        if (wr_mono_ms() >= patience->end_ms)
            return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                           "another client has been starting a server for too long; see %s",
                           WR_SERVER_LOG);
        r = wait_for(patience, -1, LOCK_RETRY_MS, err);
        if (r < 0)
            return r;
    }
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

/* Above the numbers of standard streams, which the program may have closed; -1. */
static int open_high(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* In the child, before exec: a session of its own, no terminal, output to the log. Exits on
 * failure: the parent sees the pipe close. */
static void detach(int ready_fd)
{
    int null_fd = open_high("/dev/null", O_RDWR);
    int log_fd = open_high(WR_SERVER_LOG, O_WRONLY | O_CREAT | O_APPEND);
    sigset_t none;

    if (log_fd < 0)
        log_fd = null_fd;
    /* The program that starts it may be any: nothing of what it has open or ignores is meant for
     * the server. */
    for (int signo = 1; signo < NSIG; signo++)
        (void)signal(signo, SIG_DFL);
    if (null_fd < 0 || setsid() < 0 || chdir("/") < 0 || dup2(null_fd, 0) < 0 ||
        dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0 ||
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 || wr_fd_set_cloexec(ready_fd, false) < 0)
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* *ret_ready_fd: the read end of the pipe that tells how it went. */
static int spawn_server(const struct wr_connect_opts *opts, int *ret_ready_fd, struct wr_error *err)
{
    const char *executable = opts->executable ? opts->executable : "/proc/self/exe";
    char ready[16];
    int ends[2];

    if (access(executable, X_OK) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "%s cannot be executed", executable);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "pipe");
    wr_auto_close int read_end = ends[0];
    wr_auto_close int low_end = ends[1];
    /* Of a program without standard streams the pipe may have their numbers. */
    wr_auto_close int write_end = fcntl(low_end, F_DUPFD_CLOEXEC, 3);
    if (write_end < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "pipe");
    low_end = wr_close(low_end);
    if (!wr_strformat(ready, sizeof ready, "%d", write_end))
        return wr_fail(err, WR_E_INTERNAL, 0, "pipe number");
    const char *argv[] = {
        "warren",          "serve",      "--private",    "--socket",
        opts->socket_path, "--data-dir", opts->data_dir, "--idle-timeout",
        WR_IDLE_TIMEOUT,   "--ready-fd", ready,          opts->config_path ? "--config" : NULL,
        opts->config_path, NULL};

    /* Twice, so that the server is nobody's child that has to be waited for. */
    pid_t pid = fork();
    if (pid < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "start of the server");
    if (pid == 0) {
        detach(write_end);
        pid_t server = fork();
        if (server == 0)
            execv(executable, (char *const *)(uintptr_t)argv);
        _exit(server > 0 ? 0 : 127);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *ret_ready_fd = wr_steal_fd(&read_end);
    return 0;
}

/* 'R', or the struct wr_error of a server that could not start. */
static int wait_ready(int fd, const struct patience *patience, struct wr_error *err)
{
    struct wr_error reported = {0};

    int r = wait_for(patience, fd, UINT64_MAX, err);
    if (r < 0)
        return r;
    if (r == 0)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                       "the server did not become ready in time; see %s", WR_SERVER_LOG);
    /* One write of the server is one read here. */
    ssize_t n = read(fd, &reported, sizeof reported);
    if (n == 1 && *(const char *)&reported == 'R')
        return 0;
    if (n == (ssize_t)sizeof reported && reported.code > WR_OK && reported.code < WR_E_MAX_) {
        reported.msg[sizeof reported.msg - 1] = '\0';
        *err = reported;
        return -err->code;
    }
    return wr_fail(err, WR_E_UNAVAILABLE, 0, "the server ended without saying why; see %s",
                   WR_SERVER_LOG);
}

int wr_transport_connect(const struct wr_connect_opts *opts, struct wr_transport **ret,
                         struct wr_error *err)
{
    const struct patience patience = {
        .end_ms = wr_mono_end_ms(opts->timeout_ms ? opts->timeout_ms : WR_START_TIMEOUT_MS),
        .cancel_fd = opts->cancel_fd > 0 ? opts->cancel_fd : -1,
    };
    wr_auto_close int lock_fd = -1;
    wr_auto_close int ready_fd = -1;

    int r = wr_transport_open_socket(opts->socket_path, ret, err);
    if (r == 0 || opts->no_start || !nobody_listens(err))
        return r;
    if (geteuid() != 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       "no server listens on %s and starting one needs root; run this command as "
                       "root",
                       opts->socket_path);
    r = take_start_lock(opts->socket_path, &patience, &lock_fd, err);
    if (r < 0)
        return r;
    /* Somebody else may have started it while this one waited for the lock. */
    r = wr_transport_open_socket(opts->socket_path, ret, err);
    if (r == 0 || !nobody_listens(err))
        return r;
    r = spawn_server(opts, &ready_fd, err);
    if (r == 0)
        r = wait_ready(ready_fd, &patience, err);
    if (r < 0)
        return wr_wrap(err, "start of the server");
    return wr_transport_open_socket(opts->socket_path, ret, err);
}
