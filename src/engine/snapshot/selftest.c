#include "engine/snapshot/selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/snapshot/selftest_program.h"
#include "sys/syscall.h"

#define TEST_MS    150000 /* everything */
#define STEP_MS    60000  /* a dump, a restore: of a host that starts, and does much else */
#define ANSWER_S   30
#define HOST_ID    "1342115840" /* 0x4fff1000: between the id of the server and those of the slots */
#define PROGRAM    "/program"
#define STAGING    "/tmp" /* any directory that every host has; covered here only */
#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

/*
 * The test is the first process of a pid namespace, so that its end is the end of everything that
 * it or CRIU started, and its mounts and its network are gone with it.
 */
struct test {
    const struct wr_criu *criu;
    int scratch_fd, image_fd, work_fd, netns_fd;
    int listen_fd;
    uint16_t port; /* network byte order */
    pid_t tree;
    char root[PATH_MAX];
};

/* Saved and restored processes have different ones. */
static int enter_new_network(struct test *t, struct wr_error *err)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};

    if (unshare(CLONE_NEWNET) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "make a network namespace");
    wr_close(t->netns_fd);
    t->netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    wr_auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (t->netns_fd < 0 || sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "bring up lo");
    return 0;
}

static int make_directory(struct test *t, const char *name, int *ret_fd, struct wr_error *err)
{
    if (mkdirat(t->scratch_fd, name, 0711) < 0 ||
        (*ret_fd = openat(t->scratch_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "make a directory for the image");
    return 0;
}

/* A tmpfs with the program and a place for procfs. */
static int make_root(struct test *t, struct wr_error *err)
{
    wr_auto_buf program = WR_BUF(4096);
    char link[32], scratch[PATH_MAX - 8];
    wr_auto_close int fd = -1;

    if (!wr_strformat(link, sizeof(link), "/proc/self/fd/%d", t->scratch_fd))
        return wr_fail(err, WR_E_INTERNAL, 0, "path of the scratch directory");
    const ssize_t len = readlink(link, scratch, sizeof(scratch) - 1);
    if (len <= 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "path of the scratch directory");
    scratch[len] = '\0';
    int rc = make_directory(t, "root", &fd, err);
    if (rc < 0)
        return rc;
    if (!wr_strformat(t->root, sizeof(t->root), "%s/root", scratch) ||
        mount("tmpfs", t->root, "tmpfs", MS_NOSUID | MS_NODEV,
              "mode=755,size=64k,uid=" HOST_ID ",gid=" HOST_ID) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "mount a tmpfs");
    rc = wr_selftest_program(&program);
    if (rc < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -rc, "a program for this processor");
    /* By its path: scratch_fd leads into the mount namespace of the caller. */
    if (chdir(t->root) < 0 || mkdir("proc", 0555) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a root file system");
    /* Not readable and nobody's in the tree's user namespace: what executes it cannot be looked
     * into from there, like a sandbox's first process. */
    rc = wr_file_replace(AT_FDCWD, "program", wr_buf_ptr(&program), program.len, 0111, WR_VOLATILE);
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "make a root file system") : 0;
}

static int make_listener(struct test *t, struct wr_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    t->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->listen_fd < 0 || bind(t->listen_fd, (const struct sockaddr *)&address, len) < 0 ||
        listen(t->listen_fd, 4) < 0 ||
        getsockname(t->listen_fd, (struct sockaddr *)&address, &len) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "listen");
    t->port = address.sin_port;
    return 0;
}

static int set_up(struct test *t, struct wr_error *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "mount procfs");
    int rc = enter_new_network(t, err);
    if (rc == 0)
        rc = make_directory(t, "image", &t->image_fd, err);
    if (rc == 0)
        rc = make_directory(t, "work", &t->work_fd, err);
    if (rc == 0)
        rc = make_root(t, err);
    return rc < 0 ? rc : make_listener(t, err);
}

/* The directory that we are in becomes the root. Its own path may lead through directories that the
 * tree's root may not enter. */
static bool enter_root(void)
{
    wr_auto_close int root = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    return root >= 0 && move_mount(root, "", AT_FDCWD, STAGING, MOVE_MOUNT_F_EMPTY_PATH) == 0 &&
           chdir(STAGING) == 0 &&
           mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 &&
           syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
           chdir("/") == 0;
}

/* First process of the tree: becomes what a sandbox's is, as far as CRIU is concerned. */
static WR_NORETURN void run_tree(const struct test *t, int go_fd)
{
    static char *const argv[] = {NULL, NULL}, *const env[] = {NULL};
    char go;

    if (read(go_fd, &go, 1) == 1 && wr_set_ids(0, 0) == 0 && setsid() >= 0 &&
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && enter_root() &&
        dup2(t->listen_fd, WR_SELFTEST_SOCKET) == WR_SELFTEST_SOCKET &&
        close_range(WR_SELFTEST_SOCKET + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
        close_range(0, WR_SELFTEST_SOCKET - 1, 0) == 0) {
        wr_signals_reset();
        if (fork() >= 0)
            execve(PROGRAM, argv, env);
    }
    _exit(errno);
}

static int start_tree(struct test *t, struct wr_error *err)
{
    struct clone_args args = {.flags = NAMESPACES, .exit_signal = SIGCHLD};
    static const char *const files[] = {"uid_map", "gid_map"};
    char path[64];
    int go[2], alive[2];

    if (pipe2(go, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a pipe");
    wr_auto_close int go_read = go[0];
    wr_auto_close int go_write = go[1];
    if (pipe2(alive, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a pipe");
    wr_auto_close int alive_read = alive[0];
    wr_auto_close int alive_write = alive[1];
    t->tree = wr_clone3(&args);
    if (t->tree == 0)
        run_tree(t, go_read);
    if (t->tree < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -t->tree, "make namespaces");
    alive_write = wr_close(alive_write);
    t->listen_fd = wr_close(t->listen_fd); /* the tree alone has it */
    for (size_t i = 0; i < WR_ARRAY_SIZE(files); i++) {
        if (!wr_strformat(path, sizeof(path), "/proc/%d/%s", t->tree, files[i]))
            return wr_fail(err, WR_E_INTERNAL, 0, "id map");
        const int rc = wr_file_write_str(AT_FDCWD, path, "0 " HOST_ID " 1");
        if (rc < 0)
            return wr_fail(err, WR_E_FAILED_PRECONDITION, -rc, "write %s", files[i]);
    }
    if (write(go_write, "g", 1) != 1)
        return wr_fail_errno(err, WR_E_INTERNAL, "start the processes");
    /* End of file when both execute the program. CRIU has to be able to open that later. */
    if (read(alive_read, path, 1) != 0 || chmod("program", 0555) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "start the processes");
    return 0;
}

/* Proves that the program runs, and that its socket is where it was. */
static int ask(const struct test *t, const char *when, struct wr_error *err)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = t->port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval timeout = {.tv_sec = ANSWER_S};
    char answer = 0;

    wr_auto_close int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "reach the processes %s", when);
    const ssize_t len = read(sock, &answer, 1);
    if (len != 1 || answer != WR_SELFTEST_ANSWER)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, len < 0 ? errno : 0,
                       "no answer of the processes %s", when);
    return 0;
}

static int dump_and_restore(struct test *t, struct wr_error *err)
{
    struct wr_criu_restore restore = {.image_dirfd = t->image_fd,
                                      .work_dirfd = t->work_fd,
                                      .root = t->root,
                                      .timeout_ms = STEP_MS};
    const struct wr_criu_dump dump = {
        .pid = t->tree, .netns_fd = t->netns_fd, .image_dirfd = t->image_fd, .timeout_ms = STEP_MS};

    if (wr_criu_dump(t->criu, &dump, err) < 0)
        return wr_wrap(err, "save");
    int rc = ask(t, "after they were saved", err);
    if (rc < 0)
        return rc;
    if (kill(t->tree, SIGKILL) < 0 || waitpid(t->tree, NULL, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "end the processes");
    rc = enter_new_network(t, err);
    if (rc < 0)
        return rc;
    restore.netns_fd = t->netns_fd;
    if (wr_criu_restore(t->criu, &restore, &t->tree, err) < 0)
        return wr_wrap(err, "restore");
    return ask(t, "that were restored", err);
}

static WR_NORETURN void run_test(struct test *t, int report_fd)
{
    struct wr_error error = {0};

    (void)umask(022); /* the tree's root is somebody else */
    int rc = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0
                 ? wr_fail_errno(&error, WR_E_INTERNAL, "end with the caller")
                 : set_up(t, &error);
    if (rc == 0)
        rc = start_tree(t, &error);
    if (rc == 0)
        rc = ask(t, "before they were saved", &error);
    if (rc == 0)
        rc = dump_and_restore(t, &error);
    (void)!wr_write_all(report_fd, &error, sizeof(error)); /* nothing else can be said to anybody */
    _exit(rc == 0 ? 0 : 1);
}

static int await(int report_fd, struct wr_error *err)
{
    struct pollfd fd = {.fd = report_fd, .events = POLLIN};
    struct wr_error report;

    if (poll(&fd, 1, TEST_MS) <= 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "no result after %d s", TEST_MS / 1000);
    if (wr_read_full(report_fd, &report, sizeof(report)) != (ssize_t)sizeof(report))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the test was killed");
    const int rc = wr_error_received(&report);
    if (rc < 0)
        *err = report;
    return rc;
}

static int remove_files(int scratch_fd, struct wr_error *err)
{
    static const char *const names[] = {"root", "image", "work"};
    int rc = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        const int r = wr_remove_tree(scratch_fd, names[i]);
        rc = rc ? rc : r;
    }
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "remove the test's files") : 0;
}

int wr_checkpoint_selftest(const struct wr_criu *criu, int scratch_dirfd, struct wr_error *err)
{
    struct test test = {.criu = criu,
                        .scratch_fd = scratch_dirfd,
                        .image_fd = -1,
                        .work_fd = -1,
                        .netns_fd = -1,
                        .listen_fd = -1};
    struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD};
    struct wr_error ignored;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "make a pipe");
    wr_auto_close int report_read = fds[0];
    wr_auto_close int report_write = fds[1];
    const pid_t pid = wr_clone3(&args);
    if (pid == 0)
        run_test(&test, report_write);
    if (pid < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -pid, "make namespaces for a test of criu");
    report_write = wr_close(report_write);
    int rc = await(report_read, err);
    (void)kill(pid, SIGKILL); /* gone already, or late */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    const int removed = remove_files(scratch_dirfd, rc < 0 ? &ignored : err);
    if (rc < 0) {
        err->code = WR_E_FAILED_PRECONDITION;
        return wr_wrap(err, "this host fails the test of criu %s", criu->version);
    }
    return removed;
}
