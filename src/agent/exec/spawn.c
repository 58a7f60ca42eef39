#include "agent/exec/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/exec/limits.h"
#include "base/file.h"
#include "base/str.h"

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127
#define MAX_PATH_ENTRIES    128
#define EXTRA_FD            3

/* Where a failed child stopped. */
enum step {
    STEP_DONE = 0,
    STEP_STDIO = 1,
    STEP_USER = 2,
    STEP_CWD = 3,
    STEP_EXEC = 4,
};

/* Written by the child into the parent's stack (vfork): volatile, because the compiler cannot see
 * that writer. */
struct report {
    volatile enum step step;
    volatile int os_errno;
};

static WR_NORETURN void child_fail(struct report *report, enum step step)
{
    report->os_errno = errno;
    report->step = step;
    _exit(EXIT_NOT_FOUND);
}

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored; /* nobody is left to tell */
}

/* execve, with the shell's way for a script without "#!": run it by /bin/sh. Returns only on
 * failure. */
static void try_exec(const struct wr_spawn_opts *opts, char *path)
{
    execve(path, opts->argv, opts->envp);
    if (errno != ENOEXEC)
        return;
    char sh[] = "sh";
    char *saved = opts->argv[0];
    opts->argv[-1] = sh;
    opts->argv[0] = path;
    execve("/bin/sh", opts->argv - 1, opts->envp);
    opts->argv[0] = saved;
    errno = ENOEXEC;
}

/* Tries `cmd` in every directory of PATH. Returns with errno: EACCES if one was found that may not
 * be run, else the last cause. */
static void search_exec(const struct wr_spawn_opts *opts)
{
    char path[PATH_MAX];
    const char *dir = opts->path;
    bool denied = false;

    errno = ENOENT;
    for (int i = 0; i < MAX_PATH_ENTRIES; i++) {
        size_t dir_len = strcspn(dir, ":");
        size_t cmd_len = strlen(opts->cmd);
        if (dir_len + cmd_len + 2 <= sizeof(path)) {
            memcpy(path, dir, dir_len);
            path[dir_len] = '/';
            memcpy(path + dir_len + (dir_len > 0), opts->cmd, cmd_len + 1);
            try_exec(opts, path);
            if (errno == EACCES) {
                denied = true;
            } else if (errno != ENOENT && errno != ENOTDIR) {
                return;
            }
        }
        if (dir[dir_len] == '\0')
            break;
        dir += dir_len + 1;
    }
    errno = denied ? EACCES : ENOENT;
}

static void enter_stdio(const struct wr_spawn_opts *opts, struct report *report)
{
    if (setsid() < 0 || (opts->terminal && ioctl(opts->stdio[0], TIOCSCTTY, 0) < 0))
        child_fail(report, STEP_STDIO);
    for (int i = 0; i < 3; i++) {
        if (dup2(opts->stdio[i], i) < 0)
            child_fail(report, STEP_STDIO);
    }
    /* Everything is close-on-exec from its creation; this is the second lock on that door. */
    (void)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    if (opts->extra_fd == EXTRA_FD) {
        if (fcntl(EXTRA_FD, F_SETFD, 0) < 0)
            child_fail(report, STEP_STDIO);
    } else if (opts->extra_fd > 0 && dup2(opts->extra_fd, EXTRA_FD) < 0) {
        child_fail(report, STEP_STDIO);
    }
}

static void enter_user(const struct wr_user *user, struct report *report)
{
    /* Raw calls: the wrappers are made for programs with threads and keep state in memory that is
     * not ours here. */
    if (syscall(SYS_setgroups, user->group_count, user->groups) < 0 ||
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
        syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
        child_fail(report, STEP_USER);
}

static void reset_signals(void)
{
    struct sigaction defaults = {.sa_handler = SIG_DFL};
    sigset_t none;

    /* The agent ignores SIGPIPE; everything else has its default disposition since the nest. */
    (void)sigaction(SIGPIPE, &defaults, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static WR_NORETURN void child(const struct wr_spawn_opts *opts, struct report *report)
{
    enter_stdio(opts, report);
    if (opts->root_cwd && chdir(opts->cwd) < 0)
        child_fail(report, STEP_CWD);
    enter_user(opts->user, report);
    /* As the user: what they may not enter is an error. */
    if (!opts->root_cwd && chdir(opts->cwd) < 0)
        child_fail(report, STEP_CWD);
    reset_signals();

    if (strchr(opts->cmd, '/')) {
        try_exec(opts, opts->argv[0]);
    } else {
        search_exec(opts);
    }
    if (errno != ENOENT && errno != EACCES && errno != ENOTDIR)
        child_fail(report, STEP_EXEC);

    bool denied = errno == EACCES;
    say(opts->cmd);
    say(denied ? ": Permission denied\n" : ": command not found\n");
    _exit(denied ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND);
}

/* Own function, never inlined: after vfork nothing of the caller's frame may be touched but through
 * `report`. */
static __attribute__((noinline)) pid_t start_child(const struct wr_spawn_opts *opts,
                                                   struct report *report)
{
    pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork): see spawn.h
    if (pid == 0)
        child(opts, report); // NOLINT(clang-analyzer-unix.Vfork): system calls only, never returns
    return pid;
}

/*
 * The agent is spared by the memory cgroup's OOM killer as long as anything else is there to kill.
 * Written from outside after the exec: before it the child shares the agent's non-dumpable memory,
 * whose /proc files nobody in the sandbox may write.
 */
void wr_spawn_oom_victim(pid_t pid)
{
    char path[48];
    if (wr_strformat(path, sizeof(path), "/proc/%d/oom_score_adj", pid))
        (void)!wr_file_write_str(AT_FDCWD, path, WR_EXEC_OOM_SCORE_ADJ); /* a preference only */
}

int wr_spawn(const struct wr_spawn_opts *opts, pid_t *ret_pid, struct wr_error *err)
{
    struct report report = {.step = STEP_DONE};
    pid_t pid = start_child(opts, &report);
    if (pid < 0) {
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED,
                             "error starting process '%.100s': no process left", opts->cmd);
    }

    switch (report.step) {
    case STEP_DONE:
        wr_spawn_oom_victim(pid);
        *ret_pid = pid;
        return 0;
    case STEP_CWD:
        if (report.os_errno == ENOENT)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "cwd '%.180s' does not exist", opts->cwd);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, report.os_errno,
                       "cwd '%.140s' cannot be entered", opts->cwd);
    case STEP_USER:
        return wr_fail(err, WR_E_INVALID_ARGUMENT, report.os_errno,
                       "error starting process '%.100s': cannot become user '%s'", opts->cmd,
                       opts->user->name);
    case STEP_STDIO:
    case STEP_EXEC:
        break;
    }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, report.os_errno, "error starting process '%.140s'",
                   opts->cmd);
}
