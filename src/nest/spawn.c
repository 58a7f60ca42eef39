/*
 * One sandbox: join its control groups, enter its network namespace, clone, return home, write the
 * id maps, let the child go. The nest does not wait for the child's stages; the engine reads the
 * status pipe. Costs: docs/internals/nest.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "nest/child.h"
#include "nest/nest.h"
#include "sys/syscall.h"

struct pipe_pair {
    int read_fd, write_fd;
};

static void pipe_close(struct pipe_pair *p)
{
    p->read_fd = wr_close(p->read_fd);
    p->write_fd = wr_close(p->write_fd);
}

static int pipe_open(struct pipe_pair *p, struct wr_error *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "make a pipe");
    *p = (struct pipe_pair){fds[0], fds[1]};
    return 0;
}

/* Writing "0" to a v1 tasks file moves the writer alone and takes no global lock (cgroup.procs
 * would: 4-15 ms). */
static int move_self(const int *tasks_fds, size_t count, struct wr_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (write(tasks_fds[i], "0", 1) != 1)
            return wr_fail_errno(err, WR_E_INTERNAL, "enter a control group");
    return 0;
}

static int write_map(pid_t pid, const char *file, uint32_t slot, struct wr_error *err)
{
    char path[64], map[64];

    if (!wr_strformat(path, sizeof(path), "/proc/%d/%s", pid, file) ||
        !wr_strformat(map, sizeof(map), "0 %u %u", slot * WR_SLOT_IDS, WR_SLOT_IDS))
        return wr_fail(err, WR_E_INTERNAL, 0, "%s of slot %u is too long", file, slot);
    int rc = wr_file_write_str(AT_FDCWD, path, map);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "write %s", path);
    return 0;
}

/* In the parent returns the pid; in the child it does not return. */
static pid_t clone_child(struct wr_nest *nest, struct wr_child_plan *plan, int v2_dir,
                         int *ret_pidfd, struct wr_error *err)
{
    struct clone_args args = {
        .flags = (uint64_t)(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                            CLONE_NEWUTS | CLONE_PIDFD),
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };

    if (v2_dir >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)v2_dir;
    }
    plan->argv0 = nest->argv0;
    plan->argv0_len = nest->argv0_len;
    plan->seccomp = nest->seccomp;
    plan->seccomp_count = nest->seccomp_count;
    pid_t pid = wr_clone3(&args);
    if (pid == 0)
        wr_child_run(plan);
    if (pid == -EPERM || pid == -EACCES)
        return wr_fail(
            err, WR_E_FAILED_PRECONDITION, -pid,
            "start a process in new namespaces: this host restricts user namespaces, and `warren doctor` says how to allow them");
    if (pid < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -pid, "start a process in new namespaces");
    return pid;
}

/* Everything that needs the nest to be somewhere else for a moment; it is home again when this
 * returns, whatever happened. */
static pid_t clone_away(struct wr_nest *nest, struct wr_child_plan *plan,
                        const struct wr_netns *netns, const int *tasks, int v2_dir, int *ret_pidfd,
                        struct wr_error *err)
{
    struct wr_error home_error;
    pid_t pid = move_self(tasks, plan->request->v1_count, err);

    if (pid == 0)
        pid = wr_netns_enter(netns->ns_fd, err);
    if (pid == 0)
        pid = clone_child(nest, plan, v2_dir, ret_pidfd, err);
    if (wr_netns_enter(nest->netns.home_fd, &home_error) < 0 ||
        move_self(nest->home_tasks, nest->home_count, &home_error) < 0)
        _exit(1); /* a nest that lives in a sandbox's groups would be charged and killed with it */
    return pid;
}

static int release_child(const struct wr_nest_request *request, pid_t pid, int go_fd,
                         struct wr_error *err)
{
    int rc = write_map(pid, "uid_map", request->slot, err);

    if (rc == 0)
        rc = write_map(pid, "gid_map", request->slot, err);
    if (rc == 0 && write(go_fd, "g", 1) != 1)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "let the sandbox's first process go");
    return rc;
}

int wr_nest_spawn(struct wr_nest *nest, const struct wr_nest_request *request, char *payload,
                  const int *fds, struct wr_nest_answer *answer, struct wr_error *err)
{
    struct wr_child child = {.slot = request->slot, .pidfd = -1, .ns_fd = -1};
    struct wr_netns netns = {-1, -1};
    WR_CLEANUP(pipe_close) struct pipe_pair go = {-1, -1};
    WR_CLEANUP(pipe_close) struct pipe_pair status = {-1, -1};
    int rc = wr_children_check_free(&nest->children, request->id, err);

    if (rc == 0)
        rc = pipe_open(&go, err);
    if (rc == 0)
        rc = pipe_open(&status, err);
    if (rc == 0)
        rc = wr_netns_take(&nest->netns, &netns, err);
    if (rc < 0)
        return rc;
    struct wr_child_plan plan = {.request = request,
                                 .config = payload,
                                 .root_fd = fds[0],
                                 .listen_fd = netns.listen_fd,
                                 .go_fd = go.read_fd,
                                 .status_fd = status.write_fd};
    int v2_dir = request->has_v2 ? fds[1 + request->v1_count] : -1;
    child.pid = clone_away(nest, &plan, &netns, fds + 1, v2_dir, &child.pidfd, err);
    wr_close(netns.listen_fd);
    child.ns_fd = netns.ns_fd;
    if (child.pid < 0) {
        wr_close(child.ns_fd);
        return child.pid;
    }
    memcpy(child.id, request->id, sizeof(child.id));
    rc = release_child(request, child.pid, go.write_fd, err);
    if (rc == 0)
        rc = wr_children_add(&nest->children, &child, err);
    if (rc < 0) {
        (void)!wr_pidfd_send_signal(child.pidfd, SIGKILL);
        wr_close(child.pidfd);
        wr_close(child.ns_fd);
        return rc;
    }
    answer->fds[0] = child.pidfd;
    answer->fds[1] = child.ns_fd;
    answer->fds[2] = answer->owned_fd = wr_steal_fd(&status.read_fd);
    answer->fd_count = 3;
    return 0;
}
