#include "nest/zygote/zygote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/exec/limits.h"
#include "base/fd.h"
#include "nest/hostile_close.h"
#include "nest/zygote/layout.h"
#include "nest/zygote/request.h"
#include "nest/zygote/steps.h"
#include "sys/message.h"

#define NEST_FD 3

static struct {
    struct wr_zygote_setup setup;
    struct wr_zygote_image image;
    int self_fd; /* pidfd of this process: the way back into its own pid namespace */
} zygote;

static int fail(char text[static WR_ZYGOTE_TEXT_SIZE], int error, const char *what)
{
    (void)snprintf(text, WR_ZYGOTE_TEXT_SIZE, "%s (errno %d)", what, -error);
    return error;
}

static bool expected(long fd)
{
    return fd >= 0 && fd <= NEST_FD;
}

/* The first descriptor that a fork must not inherit, -1 if there is none, -2 when it cannot be
 * told. */
static long unexpected_descriptor(void)
{
    DIR *dir = opendir("/proc/self/fd");
    long found = -1;

    if (!dir)
        return -2;
    for (struct dirent *entry; found < 0 && (entry = readdir(dir));) {
        long fd = 0;
        for (const char *p = entry->d_name; *p >= '0' && *p <= '9'; p++)
            fd = fd * 10 + (*p - '0');
        if (entry->d_name[0] != '.' && !expected(fd) && fd != dirfd(dir))
            found = fd;
    }
    (void)closedir(dir);
    return found;
}

/* A stale object of a library that still holds a file would close the number again later, when it
 * is the socket's; a directory would be a way out of the sandbox's root. */
static int check_descriptors(char text[static WR_ZYGOTE_TEXT_SIZE])
{
    char link[40], target[128];

    for (int fd = 0; fd <= NEST_FD; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            return fail(text, -EBADF, "a descriptor that the zygote needs is closed");
    long fd = unexpected_descriptor();
    if (fd == -1)
        return 0;
    if (fd < 0)
        return fail(text, -ENOENT, "/proc/self/fd cannot be read");
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%ld", fd);
    ssize_t len = readlink(link, target, sizeof(target) - 1);
    target[len > 0 ? len : 0] = '\0';
    (void)snprintf(text, WR_ZYGOTE_TEXT_SIZE, "what was imported keeps %s open", target);
    return -EMFILE;
}

/* The kernel counts a directory's subdirectories in its links. */
static int check_threads(char text[static WR_ZYGOTE_TEXT_SIZE])
{
    struct stat st;

    /* Raw, here and below: older C libraries have no symbol of this name. */
    if (syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) < 0)
        return fail(text, -errno, "/proc/self/task cannot be read");
    if (st.st_nlink != 3)
        return fail(text, -EBUSY, "what was imported keeps a thread running");
    return 0;
}

static int set_signals(void)
{
    /* With SIGCHLD ignored the kernel reaps what fork_orphan() makes. A zombie in the sandbox's pid
     * namespace would keep the sandbox from ever being gone. */
    const struct sigaction no = {.sa_handler = SIG_IGN};

    if (sigaction(SIGCHLD, &no, NULL) < 0)
        return -errno;
    return wr_hostile_close_init();
}

static int write_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int rc =
        fd < 0 ? -errno : wr_write_all(fd, WR_EXEC_OOM_SCORE_ADJ, strlen(WR_EXEC_OOM_SCORE_ADJ));

    (void)wr_close(fd);
    return rc;
}

int wr_zygote_prepare(const struct wr_zygote_setup *setup, char text[static WR_ZYGOTE_TEXT_SIZE])
{
    zygote.setup = *setup;

    int rc = check_threads(text);
    if (rc == 0)
        rc = check_descriptors(text);
    if (rc < 0)
        return rc;
    /* Inherited by the contexts: an agent without a context is more use than a context without its
     * agent. The zygote itself can be started again. */
    rc = write_oom_score();
    if (rc < 0)
        return fail(text, rc, "write oom_score_adj");
    rc = wr_zygote_image_read(&zygote.image);
    if (rc < 0)
        return fail(text, rc, "read the memory layout");
    zygote.setup.before_fork();
    rc = wr_zygote_layout_apply();
    if (rc < 0)
        return fail(text, rc, "lay out the memory");
    zygote.self_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (zygote.self_fd < 0)
        return fail(text, -errno, "open the own pid namespace");
    rc = set_signals();
    if (rc < 0)
        return fail(text, rc, "set signals");
    /* Nobody looks into the process that every context comes from. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail(text, -errno, "become undumpable");
    return 0;
}

static void set_text(char *out, size_t cap, const char *text)
{
    size_t len = 0;

    for (; text[len] && len < cap - 1; len++)
        out[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
    out[len] = '\0';
}

static int send_reply(uint32_t sequence, int result, const char *text)
{
    struct wr_zygote_reply reply = {
        .magic = WR_CONTEXT_MAGIC, .sequence = sequence, .result = result};

    set_text(reply.text, sizeof(reply.text), text);
    return wr_message_send(NEST_FD, &reply, sizeof(reply), NULL, 0);
}

int wr_zygote_report(int result, const char *text)
{
    return send_reply(0, result, text);
}

static bool is_kind(int fd, mode_t kind)
{
    struct stat st;

    return syscall(SYS_fstat, fd, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

static bool is_stream_socket(int fd)
{
    int domain = 0, type = 0;
    socklen_t len = sizeof(domain), type_len = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM;
}

/* Only what can be handed to a context: anything else could block a fork or lead somewhere. */
static int check_kinds(const struct wr_zygote_descriptors *fds)
{
    return is_stream_socket(fds->socket_fd) && is_kind(fds->stdout_fd, S_IFIFO) &&
                   is_kind(fds->stderr_fd, S_IFIFO)
               ? 0
               : -ENOTSOCK;
}

/* Raw: the C library would run handlers for a fork, which Python's hooks have done already. In the
 * child returns 0. */
static pid_t fork_into(int v2_dir)
{
    struct clone_args args = {
        .flags = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
        .child_tid = (uintptr_t)zygote.image.tid_address,
        .exit_signal = SIGCHLD,
    };

    if (v2_dir >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)v2_dir;
        /* The v2 groups belong to the nest, which is uid 0 here. */
        (void)syscall(SYS_setfsuid, 0);
    }
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    return pid < 0 ? -errno : (pid_t)pid;
}

/*
 * By way of a process that shares the zygote's memory and ends at once: the context is then an
 * orphan of the sandbox's pid namespace and a child of its PID 1, like everything that runs there.
 * A child of the zygote would not belong to the tree that a checkpoint writes. Own function, never
 * inlined, because of vfork(); what it stores in *ret_rc, the zygote finds there. True in the
 * context.
 */
static __attribute__((noinline)) bool fork_orphan(int v2_dir, volatile int *ret_rc)
{
    // NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): the parent's pages must not be
    // copied twice
    pid_t between = vfork();

    if (between > 0)
        return false;
    if (between < 0) {
        *ret_rc = -errno;
        return false;
    }
    pid_t pid = fork_into(v2_dir);
    if (pid == 0)
        return true; // NOLINT(clang-analyzer-unix.Vfork): a copy of its own by now
    *ret_rc = WR_MIN(pid, 0);
    _exit(0);
}

/*
 * With the next child's pid namespace set to the sandbox's; the parent is home again when this
 * returns, whatever happened. It never enters the sandbox's control groups: one that has used up
 * its processor time would stop it for all others, and in one without memory it would be the
 * largest process to kill. 1 in the context, else 0 or a negative errno.
 */
static int fork_away(const struct wr_zygote_descriptors *fds)
{
    volatile int rc = 0;

    if (syscall(SYS_setns, fds->pidfd, CLONE_NEWPID) < 0)
        return -errno;
    if (fork_orphan(fds->v2_dir, &rc))
        return 1;
    if (syscall(SYS_setns, zygote.self_fd, CLONE_NEWPID) < 0)
        _exit(1); /* the next child would be born in this sandbox */
    return rc;
}

/* Every fork finds the zygote's state of every generator in user space. */
static void randomize(void)
{
    char *state = zygote.setup.random_state;

    for (size_t done = 0; state && done < zygote.setup.random_size;) {
        long n = syscall(SYS_getrandom, state + done, zygote.setup.random_size - done, 0);
        if (n < 0 && errno != EINTR)
            _exit(1); /* rather no context than one with another's random numbers */
        done += n > 0 ? (size_t)n : 0;
    }
}

/* 1 in the child, else 0 or a negative errno that ends the service. */
static int serve_one(void)
{
    struct wr_zygote_request request;
    struct wr_zygote_descriptors fds;
    int received[WR_MESSAGE_MAX_FDS];
    size_t count = 0;
    ssize_t len = wr_message_recv(NEST_FD, &request, sizeof(request), received, &count);

    if (len <= 0)
        return len < 0 ? (int)len : -ECONNRESET;
    int rc = wr_zygote_request_check(&request, len, received, count, &fds);
    if (rc == 0)
        rc = check_kinds(&fds);
    if (rc == 0) {
        rc = fork_away(&fds);
        if (rc > 0) {
            wr_zygote_steps_run(&zygote.image, &request, &fds);
            randomize();
            zygote.setup.after_fork_child();
            return 1;
        }
    }
    wr_hostile_close(received, count);
    if (rc == -EPROTO)
        return rc; /* not our nest's language: there is no one to answer */
    return send_reply(request.sequence, rc, "");
}

int wr_zygote_serve(void)
{
    int rc = 0;

    while (rc == 0)
        rc = serve_one();
    return rc;
}
