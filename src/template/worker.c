#include "template/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sys/syscall.h"
#include "template/interrupt.h"

#define TICK_MS       200
#define SEND_EVERY_MS 100

/* One report of the child; smaller than PIPE_BUF, so that it arrives whole. */
struct message {
    uint64_t entries;
    uint64_t bytes;
    int finished;
    int result;
    struct wr_error error;
};

static void send_message(struct wr_worker *w, const struct message *m)
{
    if (wr_write_all(w->report_fd, m, sizeof(*m)) < 0)
        _exit(1); /* the caller is gone */
}

void wr_worker_count(struct wr_worker *w, uint64_t bytes)
{
    w->entries++;
    w->bytes += bytes;
    uint64_t now_ms = wr_mono_ms();
    if (now_ms - w->sent_ms < SEND_EVERY_MS)
        return;
    struct message m = {.entries = w->entries, .bytes = w->bytes};
    w->sent_ms = now_ms;
    send_message(w, &m);
}

static bool is_kept(int fd, const int *keep, size_t keep_count, int report_fd)
{
    bool kept = fd == report_fd;
    for (size_t i = 0; i < keep_count; i++)
        kept |= fd == keep[i];
    return kept;
}

/* Closes every descriptor above the standard ones that is not in the list: the gaps first, then all
 * above the highest. */
static void close_others(const int *keep, size_t keep_count, int report_fd)
{
    int highest = report_fd;
    for (size_t i = 0; i < keep_count; i++)
        highest = WR_MAX(highest, keep[i]);
    for (int fd = STDERR_FILENO + 1; fd < highest; fd++)
        if (!is_kept(fd, keep, keep_count, report_fd))
            (void)close(fd);
    (void)close_range((unsigned int)highest + 1, ~0U, 0);
}

/* Reads reports until the last one. */
static int watch(int report_fd, int signal_fd, struct wr_progress *progress, struct wr_error *err)
{
    struct pollfd fds[] = {{.fd = report_fd, .events = POLLIN},
                           {.fd = signal_fd, .events = POLLIN}};
    for (;;) {
        int n = poll(fds, WR_ARRAY_SIZE(fds), TICK_MS);
        if (n < 0 && errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "cannot wait for a worker");
        wr_progress_tick(progress);
        if (n <= 0)
            continue;
        if (fds[1].revents)
            return wr_fail(err, WR_E_CANCELED, 0, "interrupted; nothing was left behind");
        struct message m;
        ssize_t len = wr_read_full(report_fd, &m, sizeof(m));
        if (len != (ssize_t)sizeof(m))
            return wr_fail(err, WR_E_INTERNAL, 0, "the worker died");
        wr_progress_phase(progress, progress->phase, m.entries, 0);
        if (!m.finished)
            continue;
        if (m.result < 0) {
            m.error.msg[sizeof(m.error.msg) - 1] = '\0';
            if (m.error.code <= WR_OK || m.error.code >= WR_E_MAX_)
                m.error.code = WR_E_INTERNAL;
            *err = m.error;
            return -err->code;
        }
        return 0;
    }
}

int wr_worker_run(int (*fn)(struct wr_worker *w, void *data, struct wr_error *err), void *data,
                  const int *keep, size_t keep_count, struct wr_progress *progress,
                  struct wr_error *err)
{
    int pipe_fds[2];
    wr_auto_interrupt in = WR_INTERRUPT;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "cannot make a pipe for a worker");
    wr_auto_close int read_end = pipe_fds[0];
    wr_auto_close int write_end = pipe_fds[1];
    int rc = wr_interrupt_open(&in, err);
    if (rc < 0)
        return rc;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "cannot start a worker");
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
            _exit(1);
        close_others(keep, keep_count, write_end);
        struct wr_worker w = {.report_fd = write_end};
        struct message m = {.finished = 1};
        m.result = fn(&w, data, &m.error);
        m.entries = w.entries;
        m.bytes = w.bytes;
        send_message(&w, &m);
        _exit(0);
    }
    write_end = wr_close(write_end);
    rc = watch(read_end, in.fd, progress, err);
    (void)kill(pid, SIGKILL); /* it has nothing more to do, or must not go on */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return rc;
}
