#include "engine/job.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "sys/syscall.h"

#define LOCK_POLL_MS 10

static int own_lock_fd = -1;

/* What the child writes, in one piece: it fits into a pipe that nobody reads yet. */
struct message {
    struct wr_error err; /* code 0: `result` counts */
    _Alignas(max_align_t) char result[WR_JOB_RESULT_MAX];
};

struct wr_job {
    struct wr_loop *loop;
    pid_t pid;
    int pidfd;
    int result_fd; /* read end, non-blocking */
    const char *name;
    size_t result_size;
    bool late; /* it was killed for that */
    struct wr_source source;
    struct wr_timer timer;
    void (*done)(void *data, const void *result, const struct wr_error *err);
    void *data;
};

/* An open file description of our own, so that the lock is no other holder's of the directory; it
 * goes when the last process that has a copy of it ends. -EWOULDBLOCK: somebody has it. */
static int lock_directory(int dirfd, int *ret_fd)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
    wr_auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

int wr_job_lock_fd(void)
{
    return own_lock_fd;
}

static void close_others(const int *keep, size_t count)
{
    int sorted[WR_JOB_MAX_FDS + 2];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = used;
        if (keep[i] <= STDERR_FILENO)
            continue;
        for (; at > 0 && sorted[at - 1] > keep[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = keep[i];
        used++;
    }
    unsigned from = STDERR_FILENO + 1;
    for (size_t i = 0; i < used; i++) {
        if ((unsigned)sorted[i] > from)
            (void)syscall(SYS_close_range, from, (unsigned)sorted[i] - 1, 0U);
        from = (unsigned)sorted[i] + 1;
    }
    (void)syscall(SYS_close_range, from, ~0U, 0U);
}

static WR_NORETURN void child(const struct wr_job_spec *spec, int lock_fd, int result_fd)
{
    int keep[WR_JOB_MAX_FDS + 2];
    size_t count = 0;
    struct message message = {.err = {.code = 0}};
    /* The group that a timeout kills, and out of reach of a terminal's signals. */
    (void)setsid();
    (void)prctl(PR_SET_NAME, spec->name);
    wr_signals_reset();
    /* Nobody may be there any more to read a result or a log line: no reason to end. */
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < spec->fd_count; i++)
        keep[count++] = spec->fds[i];
    keep[count++] = own_lock_fd = lock_fd;
    keep[count++] = result_fd;
    close_others(keep, count);
    int rc = spec->run(spec->arg, message.result, &message.err);
    if (rc == 0)
        message.err = (struct wr_error){.code = WR_OK};
    size_t len = offsetof(struct message, result) + (rc == 0 ? spec->result_size : 0);
    /* The work is done whether somebody hears of it or not. */
    _exit(wr_write_all(result_fd, &message, len) < 0 ? 1 : 0);
}

struct wr_job *wr_job_forget(struct wr_job *job)
{
    if (!job)
        return NULL;
    wr_timer_stop(&job->timer);
    wr_source_remove(&job->source);
    wr_close(job->pidfd);
    wr_close(job->result_fd);
    free(job);
    return NULL;
}

/* The result, or why there is none. */
static int receive(const struct wr_job *job, struct message *ret, struct wr_error *err)
{
    const size_t head = offsetof(struct message, result);
    ssize_t len = read(job->result_fd, ret, sizeof(*ret));
    if (job->late)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s took too long and was ended", job->name);
    if (len >= (ssize_t)head && ret->err.code != WR_OK) {
        *err = ret->err;
        return wr_error_received(err);
    }
    if (len != (ssize_t)(head + job->result_size))
        return wr_fail(err, WR_E_INTERNAL, 0, "%s was killed before it had finished", job->name);
    return 0;
}

/* The process has ended, and its lock with it. */
static void on_end(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_job *job = data;
    struct message message;
    struct wr_error err = {.code = WR_OK};
    (void)source;
    (void)events;
    int rc = receive(job, &message, &err);
    /* Whoever else waits for children of the engine may have been faster. */
    (void)!waitpid(job->pid, NULL, WNOHANG);
    void (*done)(void *, const void *, const struct wr_error *) = job->done;
    void *owner = job->data;
    wr_job_forget(job);
    done(owner, rc == 0 ? message.result : NULL, rc == 0 ? NULL : &err);
}

static void on_late(struct wr_timer *timer, void *data)
{
    struct wr_job *job = data;
    struct pollfd ended = {.fd = job->pidfd, .events = POLLIN};
    (void)timer;
    /* When it has ended just now, its number may be somebody else's already. */
    if (poll(&ended, 1, 0) != 0)
        return;
    job->late = true;
    (void)kill(-job->pid, SIGKILL);
    (void)!wr_pidfd_send_signal(job->pidfd, SIGKILL);
}

static int watch(struct wr_job *job, uint64_t timeout_ms, struct wr_error *err)
{
    int rc = wr_source_add(job->loop, &job->source, job->pidfd, EPOLLIN, on_end, job, err);
    return rc < 0 ? rc
                  : wr_timer_start(job->loop, &job->timer,
                                   timeout_ms ? timeout_ms : WR_JOB_TIMEOUT_MAX, on_late, job, err);
}

static int start_child(const struct wr_job_spec *spec, struct wr_job *job, struct wr_error *err)
{
    wr_auto_close int lock_fd = -1, read_fd = -1, write_fd = -1;
    int fds[2];
    int rc = lock_directory(spec->lock_fd, &lock_fd);
    if (rc == -EWOULDBLOCK)
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       "something else is at work there: try again when it is done");
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "lock the directory of %s", spec->name);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "start %s", spec->name);
    read_fd = fds[0];
    write_fd = fds[1];
    rc = wr_fd_set_nonblock(read_fd, true);
    job->pid = rc < 0 ? -1 : fork();
    if (job->pid < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "start %s", spec->name);
    if (job->pid == 0)
        child(spec, lock_fd, write_fd);
    job->result_fd = wr_steal_fd(&read_fd);
    job->pidfd = wr_pidfd_open(job->pid);
    if (job->pidfd >= 0)
        return 0;
    rc = job->pidfd;
    (void)kill(job->pid, SIGKILL);
    (void)!waitpid(job->pid, NULL, 0);
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -rc, "watch %s", spec->name);
}

int wr_job_start(struct wr_loop *loop, const struct wr_job_spec *spec, struct wr_job **ret,
                 struct wr_error *err)
{
    assert(spec->result_size <= WR_JOB_RESULT_MAX && spec->fd_count <= WR_JOB_MAX_FDS);
    struct wr_job *job = wr_calloc(1, sizeof(*job));
    if (!job)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "start %s", spec->name);
    job->loop = loop;
    job->pidfd = job->result_fd = -1;
    job->name = spec->name;
    job->result_size = spec->result_size;
    job->done = spec->done;
    job->data = spec->data;
    int rc = start_child(spec, job, err);
    if (rc == 0) {
        rc = watch(job, spec->timeout_ms, err);
        if (rc < 0) {
            (void)kill(job->pid, SIGKILL);
            (void)!waitpid(job->pid, NULL, 0);
        }
    }
    if (rc < 0) {
        wr_job_forget(job);
        return rc;
    }
    *ret = job;
    return 0;
}

int wr_job_wait(int dirfd, uint64_t timeout_ms, struct wr_error *err)
{
    const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    uint64_t end_ms = wr_mono_end_ms(timeout_ms);
    for (;;) {
        int fd = -1;
        int rc = lock_directory(dirfd, &fd);
        if (rc == 0) {
            wr_close(fd);
            return 0;
        }
        if (rc != -EWOULDBLOCK)
            return wr_fail(err, WR_E_INTERNAL, -rc, "lock the directory of a job");
        if (wr_mono_ms() >= end_ms)
            return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                           "a job of an earlier engine does not end");
        (void)nanosleep(&pause, NULL);
    }
}
