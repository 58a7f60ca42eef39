#include "engine/snapshot/criu_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/job.h"
#include "engine/snapshot/criu_find.h"
#include "sys/syscall.h"

#define MAX_KEEP    8
#define GIVE_UP_MS  2000 /* until the next request to end */
#define GIVE_UP_MAX 4
#define LOOK_MS     200 /* between looks at the sandbox's first process */
#define EARLY_MS    2   /* between those of early() */
#define PF_EXITING  0x4 /* linux/sched.h: flags of /proc/<pid>/stat */

/* Born in its v2 group: to move there afterwards is to wait for an RCU grace period, some 8 ms. */
static pid_t start(const struct wr_cgroup_join *cgroup)
{
    struct clone_args args = {.exit_signal = SIGCHLD};

    if (cgroup && cgroup->v2_dir >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)cgroup->v2_dir;
    }
    return wr_clone3(&args);
}

/* The restored processes inherit all of this from CRIU. */
static int join(const struct wr_cgroup_join *cgroup, struct wr_error *err)
{
    for (size_t i = 0; i < cgroup->v1_count; i++)
        if (write(cgroup->v1_tasks[i], "0", 1) != 1)
            return wr_fail_errno(err, WR_E_INTERNAL, "enter a control group");
    if (unshare(CLONE_NEWCGROUP) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a cgroup namespace");
    const int rc = wr_keyctl_join_session();
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "make a session keyring") : 0;
}

static int keep_descriptors(const struct wr_criu_process *p, struct wr_error *err)
{
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "close descriptors");
    for (size_t i = 0; i < p->keep_count; i++)
        if (wr_fd_set_cloexec(p->keep_fds[i], false) < 0)
            return wr_fail(err, WR_E_INTERNAL, EBADF, "descriptor %d for criu", p->keep_fds[i]);
    /* Of a job that is killed it goes on; it closes this in the processes that it restores. */
    const int lock_fd = wr_job_lock_fd();
    if (lock_fd >= 0 && wr_fd_set_cloexec(lock_fd, false) < 0)
        return wr_fail(err, WR_E_INTERNAL, EBADF, "the lock of the job");
    return 0;
}

static int execute(const struct wr_criu_process *p, struct wr_error *err)
{
    char facts[WR_CRIU_PATH_MAX + 16];
    /* tar, for the contents of tmpfs, is all that it runs. */
    const char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL, NULL};

    if (p->facts && p->facts[0] && wr_strformat(facts, sizeof(facts), "CRIU_KDAT_DIR=%s", p->facts))
        environment[2] = facts;
    execve(p->argv[0], (char *const *)(uintptr_t)p->argv, (char *const *)(uintptr_t)environment);
    return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "start %.150s", p->argv[0]);
}

/* One that may be killed is nobody's use without the job, and would wait for ever for processes
 * that somebody else kills. */
static int end_with(pid_t job, struct wr_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != job)
        return wr_fail_errno(err, WR_E_INTERNAL, "end with the job");
    return 0;
}

static int become_program(const struct wr_criu_process *p, pid_t job, int said_fd,
                          struct wr_error *err)
{
    int rc = p->may_kill ? end_with(job, err) : 0;

    if (rc == 0 && p->cgroup)
        rc = join(p->cgroup, err);
    if (rc < 0)
        return rc;
    if (setns(p->netns_fd, CLONE_NEWNET) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "enter the network namespace");
    wr_auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(said_fd, STDOUT_FILENO) < 0 ||
        dup2(said_fd, STDERR_FILENO) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "standard descriptors of criu");
    rc = keep_descriptors(p, err);
    if (rc < 0)
        return rc;
    wr_signals_reset();
    (void)umask(
        022); /* root of a sandbox opens files of the image, and has no right to them else */
    return execute(p, err);
}

/* True when the process has ended. */
static bool wait_end(int pidfd, uint64_t timeout_ms)
{
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    const int wait_ms = (int)WR_MIN(timeout_ms, (uint64_t)3600 * 1000);
    int r = 0;

    /* A job has no handlers of signals, so that EINTR (which would begin the time anew) is rare. */
    while ((r = poll(&fd, 1, wait_ms)) < 0 && errno == EINTR)
        continue;
    return r > 0;
}

/*
 * CRIU that is killed in the middle of a dump leaves its code in the sandbox's processes. SIGALRM
 * is what it ends itself with when collecting them takes too long: its handler makes the system
 * call fail that it waits in, and it undoes what it did.
 */
static void end(int pidfd, bool may_kill)
{
    for (int i = 0; !may_kill && i < GIVE_UP_MAX; i++)
        if (wr_pidfd_send_signal(pidfd, SIGALRM) == 0 && wait_end(pidfd, GIVE_UP_MS))
            return;
    if (!may_kill && wr_pidfd_send_signal(pidfd, SIGTERM) == 0 && wait_end(pidfd, GIVE_UP_MS))
        return;
    (void)!wr_pidfd_send_signal(pidfd, SIGKILL); /* it is a child that nobody else waits for */
}

static void read_said(int fd, struct wr_buf *said)
{
    char *room = wr_buf_reserve(said, wr_buf_room(said));
    const ssize_t len = room ? pread(fd, room, wr_buf_room(said), 0) : -1;

    if (len > 0)
        wr_buf_commit(said, (size_t)len);
}

/*
 * A first process that was killed waits for the others of its namespace, these wait for whoever
 * traces them, and CRIU for one of them to stop: for ever. It has no pidfd event before its end,
 * but a flag.
 */
static bool is_ending(pid_t pid)
{
    char path[32], text[512];
    unsigned flags = 0;

    if (!wr_strformat(path, sizeof(path), "/proc/%d/stat", pid) ||
        wr_file_read_line(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return true;
    const char *end = strrchr(text, ')'); /* state ppid pgrp session tty tpgid flags */
    return !end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1 ||
           (flags & PF_EXITING);
}

struct held {
    bool heard; /* it has asked, or closed its end without asking */
    bool asked;
    int rc; /* of hold() */
};

/* It asks once whether it may go on. Its end, or ours, is a no, too. */
static void answer(const struct wr_criu_process *p, struct held *held, struct wr_error *err)
{
    char byte = 0;

    held->heard = true;
    held->asked = recv(p->hold_fd, &byte, 1, MSG_DONTWAIT) == 1;
    held->rc = held->asked ? p->hold(p->hold_data, err) : 0;
    if (!held->asked || held->rc < 0 || send(p->hold_fd, &byte, 1, MSG_NOSIGNAL) != 1)
        (void)shutdown(p->hold_fd, SHUT_RDWR);
}

/* True when the program has ended, or is asking. */
static bool wait_event(int pidfd, int hold_fd, uint64_t timeout_ms, bool *ret_asks)
{
    struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN}, {.fd = hold_fd, .events = POLLIN}};
    const int count = poll(fds, WR_ARRAY_SIZE(fds), (int)timeout_ms);

    *ret_asks = count > 0 && fds[1].revents != 0;
    return count > 0;
}

/* True when the program has ended by itself, or because the sandbox did. */
static bool wait_in_time(const struct wr_criu_process *p, int pidfd, struct held *held,
                         struct wr_error *err)
{
    const uint64_t end_ms = wr_mono_ms() + p->timeout_ms;
    pid_t subject = p->subject;
    bool asks = false;

    while (wr_mono_ms() < end_ms) {
        const bool awaited = p->early && subject == 0;
        const uint64_t look_ms = awaited ? EARLY_MS : LOOK_MS;
        if (wait_event(pidfd, p->hold && !held->heard ? p->hold_fd : -1,
                       WR_MIN(end_ms - wr_mono_ms(), look_ms), &asks)) {
            if (!asks)
                return true;
            answer(p, held, err);
            /* It would wait for the first process, which waits for the others, whose tracer it is
             * and which it does not wait for. With it they end, too. */
            if (held->rc < 0 && p->may_kill)
                (void)!wr_pidfd_send_signal(pidfd, SIGKILL);
            continue;
        }
        if (awaited)
            subject = p->early(p->hold_data);
        if (subject && is_ending(subject)) {
            (void)!wr_pidfd_send_signal(pidfd, SIGKILL); /* nothing is left to be harmed */
            return true;
        }
    }
    return false;
}

static int wait_program(const struct wr_criu_process *p, pid_t pid, int *ret_status,
                        struct wr_error *err)
{
    wr_auto_close int pidfd = wr_pidfd_open(pid);
    struct held held = {.heard = false};
    bool late = false;

    if (pidfd >= 0 && !wait_in_time(p, pidfd, &held, err)) {
        end(pidfd, p->may_kill);
        late = true;
    }
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "wait for criu");
    if (held.rc < 0)
        return held.rc;
    if (p->hold && !held.asked && *ret_status == 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "criu did not wait before it let processes run");
    /* It may have finished its work all the same. */
    if (!late || (WIFEXITED(*ret_status) && WEXITSTATUS(*ret_status) == 0))
        return 0;
    /* SIGALRM ends it before it has touched anything: the handler comes first. */
    const bool harm = !p->may_kill && WIFSIGNALED(*ret_status) && WTERMSIG(*ret_status) != SIGALRM;
    return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "criu was ended after %llu ms%s",
                   (unsigned long long)p->timeout_ms,
                   harm ? " by force; the sandbox's processes may be damaged" : "");
}

int wr_criu_process_run(const struct wr_criu_process *process, int *ret_status, struct wr_buf *said,
                        struct wr_error *err)
{
    struct wr_error failed = {0};
    int fds[2];

    wr_auto_close int said_fd = memfd_create("criu", MFD_CLOEXEC);
    if (said_fd < 0 || process->keep_count > MAX_KEEP || pipe2(fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "prepare criu");
    wr_auto_close int report_read = fds[0];
    wr_auto_close int report_write = fds[1];
    const pid_t job = getpid();
    const pid_t pid = start(process->cgroup);
    if (pid < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -pid, "fork for criu");
    if (pid == 0) {
        (void)!become_program(process, job, said_fd, &failed);
        (void)!wr_write_all(report_write, &failed, sizeof(failed));
        _exit(127);
    }
    report_write = wr_close(report_write);
    /* End of file: it was executed. */
    const bool refused =
        wr_read_full(report_read, &failed, sizeof(failed)) == (ssize_t)sizeof(failed);
    int rc = wait_program(process, pid, ret_status, err);
    read_said(said_fd, said);
    if (refused && wr_error_received(&failed) < 0) {
        *err = failed;
        return -failed.code;
    }
    return rc;
}
