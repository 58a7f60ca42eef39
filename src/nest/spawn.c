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
#include "nest/clone.h"
#include "nest/contexts.h"
#include "nest/nest.h"
#include "nest/volumes.h"
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

static void run_child(const void *arg)
{
    wr_child_run(arg);
}

static pid_t clone_child(struct wr_nest *nest, const struct wr_child_plan *plan,
                         const struct wr_netns *netns, const int *fds, int *ret_pidfd,
                         struct wr_error *err)
{
    const struct wr_nest_request *request = plan->request;

    return wr_nest_clone(
        nest,
        &(struct wr_clone_plan){
            .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
            .tasks = fds + 1,
            .v1_count = request->v1_count,
            .v2_dir = request->has_v2 ? fds[1 + request->v1_count] : -1,
            .netns_fd = netns->ns_fd,
            .run = run_child,
            .arg = plan,
        },
        ret_pidfd, err);
}

/* What a context of this sandbox will need (contexts.h). */
static int keep_for_contexts(struct wr_child *child, const struct wr_nest_request *request,
                             const int *fds, struct wr_error *err)
{
    child->rlimits = request->rlimits;
    child->layers = request->layers;
    child->no_clones = wr_volumes_forbid_clones(request);
    for (size_t i = 0; i < request->v1_count; i++) {
        child->tasks[i] = fcntl(fds[1 + i], F_DUPFD_CLOEXEC, 3);
        if (child->tasks[i] < 0)
            return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "keep a control group");
        child->v1_count++;
    }
    if (!request->has_v2)
        return 0;
    child->v2_dir = fcntl(fds[1 + request->v1_count], F_DUPFD_CLOEXEC, 3);
    return child->v2_dir >= 0 ? 0
                              : wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "keep a control group");
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

/* In the parent: the rest of the start. */
static int finish(struct wr_nest *nest, const struct wr_nest_request *request, const int *fds,
                  struct wr_child *child, int go_fd, struct wr_error *err)
{
    int rc = keep_for_contexts(child, request, fds, err);

    if (rc == 0)
        rc = release_child(request, child->pid, go_fd, err);
    if (rc == 0)
        rc = wr_children_add(&nest->children, child, err);
    if (rc == 0)
        wr_contexts_watch(nest, wr_children_find(&nest->children, child->id));
    return rc;
}

int wr_nest_spawn(struct wr_nest *nest, const struct wr_nest_request *request, char *payload,
                  const int *fds, struct wr_nest_answer *answer, struct wr_error *err)
{
    struct wr_child child = WR_CHILD_NONE;
    struct wr_netns netns = WR_NETNS_NONE;
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
    const struct wr_child_plan plan = {.request = request,
                                       .config = payload,
                                       .root_fd = fds[0],
                                       .volume_fds = fds + 1 + request->v1_count + request->has_v2,
                                       .listen_fd = netns.listen_fd,
                                       .interpreter_fd = netns.interpreter_fd,
                                       .go_fd = go.read_fd,
                                       .status_fd = status.write_fd,
                                       .argv0 = nest->argv0,
                                       .argv0_len = nest->argv0_len,
                                       .seccomp = nest->seccomp,
                                       .seccomp_count = nest->seccomp_count};
    child.slot = request->slot;
    memcpy(child.id, request->id, sizeof(child.id));
    child.pid = clone_child(nest, &plan, &netns, fds, &child.pidfd, err);
    child.ns_fd = wr_steal_fd(&netns.ns_fd);
    child.context_fd = wr_steal_fd(&netns.context_fd);
    child.redirect = netns.redirect;
    wr_netns_close(&netns); /* what is the agent's alone */
    rc = child.pid < 0 ? child.pid : finish(nest, request, fds, &child, go.write_fd, err);
    if (rc < 0) {
        if (child.pid > 0)
            (void)!wr_pidfd_send_signal(child.pidfd, SIGKILL);
        wr_child_close(&child);
        return rc;
    }
    answer->fds[0] = child.pidfd;
    answer->fds[1] = child.ns_fd;
    answer->fds[2] = answer->owned_fd = wr_steal_fd(&status.read_fd);
    answer->fd_count = 3;
    wr_nest_answer_entry(answer, &child);
    if (child.redirect != WR_NEST_REDIRECT_BOTH)
        answer->reply.no_redirect = nest->netns.no_redirect;
    return 0;
}
