#include "engine/driver/native/nest_start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup/cgroup.h"
#include "engine/driver/native/native.h"
#include "engine/isolate/device_layer.h"
#include "engine/isolate/userns.h"
#include "nest/protocol.h"
#include "sys/syscall.h"

#define START_TIMEOUT_MS 10000

extern const char wr_nest_blob[], wr_nest_blob_end[];
extern const struct wr_device_file wr_device_files[], wr_device_files_end[];

const void *wr_nest_program(size_t *ret_len)
{
    *ret_len = (size_t)(wr_nest_blob_end - wr_nest_blob);
    return wr_nest_blob;
}

const struct wr_device_file *wr_device_layer_files(size_t *ret_count)
{
    *ret_count = (size_t)(wr_device_files_end - wr_device_files);
    return wr_device_files;
}

int wr_nest_address(const struct wr_driver *driver, const char *nest_name, struct sockaddr_un *ret,
                    struct wr_error *err)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!wr_strformat(ret->sun_path, sizeof(ret->sun_path), "%s/nests/%s.sock", driver->run_dir,
                      nest_name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the path %s/nests/%s.sock is too long for a socket", driver->run_dir,
                       nest_name);
    return 0;
}

int wr_nest_cgroup_name(const char *nest_name, char *out, size_t cap, struct wr_error *err)
{
    if (!wr_strformat(out, cap, "nest-%s", nest_name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the nest's name %s is too long", nest_name);
    return 0;
}

static int listen_at(const struct sockaddr_un *address, int *ret_fd, struct wr_error *err)
{
    wr_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)unlink(address->sun_path); /* of a nest that is dead: connecting was tried before */
    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        listen(fd, 8) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "listen on %s", address->sun_path);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

struct start {
    int program_fd, listen_fd, go_read, status_write;
};

/* In the child: single-threaded copy of the engine, in new namespaces; turns into the nest's
 * program. */
static WR_NORETURN void become_nest(const struct start *s)
{
    static char name[] = "warren-nest     "; /* room for the longer name of its forks */
    char *const argv[] = {name, NULL};
    char *const envp[] = {NULL};
    struct wr_error err = {0};
    char go;

    wr_signals_reset(); /* the agents and their programs inherit it */
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int listen_fd = fcntl(s->listen_fd, F_DUPFD_CLOEXEC, 100),
        status_fd = fcntl(s->status_write, F_DUPFD_CLOEXEC, 100);
    int program_fd = fcntl(s->program_fd, F_DUPFD_CLOEXEC, 100);
    bool ok = wr_read_full(s->go_read, &go, 1) == 1 && wr_set_ids(0, 0) == 0 && setsid() >= 0 &&
              null_fd >= 0 && dup2(null_fd, 0) >= 0 && dup2(null_fd, 1) >= 0 &&
              dup2(null_fd, 2) >= 0 && dup2(listen_fd, 3) >= 0 && dup2(status_fd, 4) >= 0 &&
              dup3(program_fd, 5, O_CLOEXEC) >= 0 && close_range(6, ~0U, 0) == 0;
    if (ok)
        fexecve(5, argv, envp);
    (void)wr_fail_errno(&err, WR_E_INTERNAL, "start the nest");
    /* Number 4 may still be one of the engine's descriptors if not all went well. */
    (void)!write(ok ? 4 : status_fd, &err, sizeof(err));
    _exit(1);
}

/* The v1 groups: by pid, once per nest, where the slow way (a global lock) does not matter. */
static int join_v1(const struct wr_cgroup_join *join, pid_t pid, struct wr_error *err)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%d", pid);

    for (size_t i = 0; i < join->v1_count; i++)
        if (write(join->v1_tasks[i], text, (size_t)len) != len)
            return wr_fail_errno(err, WR_E_INTERNAL, "put the nest into its control group");
    return 0;
}

static int release(pid_t pid, const struct wr_cgroup_join *join, int go_write, int status_read,
                   struct wr_error *err)
{
    struct wr_error status;
    int rc = join_v1(join, pid, err);

    if (rc == 0)
        rc = wr_userns_write_maps(pid, WR_SLOT_HOST_BASE, WR_SLOT_COUNT * WR_SLOT_IDS, err);
    if (rc == 0 && write(go_write, "g", 1) != 1)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "let the nest go");
    if (rc < 0)
        return rc;
    struct pollfd fd = {.fd = status_read, .events = POLLIN};
    if (poll(&fd, 1, START_TIMEOUT_MS) <= 0)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "the nest did not start within %d s",
                       START_TIMEOUT_MS / 1000);
    if (wr_read_full(status_read, &status, sizeof(status)) != (ssize_t)sizeof(status))
        return wr_fail(err, WR_E_INTERNAL, 0, "the nest died while it started");
    if (wr_error_received(&status) == 0)
        return 0;
    *err = status;
    return wr_wrap(err, "start of the nest");
}

int wr_nest_start(struct wr_driver *driver, const char *nest_name, struct wr_cgroup *home,
                  struct wr_error *err)
{
    struct wr_cgroup_join join = wr_cgroup_join(home);
    struct sockaddr_un address;
    wr_auto_close int listen_fd = -1;
    int go[2], status[2];
    int rc = wr_nest_address(driver, nest_name, &address, err);

    if (rc == 0)
        rc = listen_at(&address, &listen_fd, err);
    if (rc < 0)
        return rc;
    if (pipe2(go, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a pipe");
    wr_auto_close int go_read = go[0];
    wr_auto_close int go_write = go[1];
    if (pipe2(status, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a pipe");
    wr_auto_close int status_read = status[0];
    wr_auto_close int status_write = status[1];
    struct clone_args args = {.flags = (uint64_t)(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                                                  CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET),
                              .exit_signal = SIGCHLD};
    if (join.v2_dir >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)join.v2_dir;
    }
    pid_t pid = wr_clone3(&args);
    if (pid == 0) {
        const struct start s = {driver->program_fd, listen_fd, go_read, status_write};
        close(go_write);
        become_nest(&s);
    }
    if (pid < 0)
        return wr_fail(
            err, WR_E_FAILED_PRECONDITION, -pid,
            "make the nest's namespaces (see user.max_user_namespaces; a container must allow them)");
    status_write = wr_close(status_write);
    rc = release(pid, &join, go_write, status_read, err);
    if (rc < 0) {
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)unlink(address.sun_path);
    }
    return rc;
}
