#include "nest/clone.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "sys/syscall.h"

/* Writing "0" to a v1 tasks file moves the writer alone and takes no global lock (cgroup.procs
 * would: 4-15 ms). */
static int move_self(const int *tasks_fds, size_t count, struct wr_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (write(tasks_fds[i], "0", 1) != 1)
            return wr_fail_errno(err, WR_E_INTERNAL, "enter a control group");
    return 0;
}

static pid_t clone_here(const struct wr_clone_plan *plan, int *ret_pidfd, struct wr_error *err)
{
    struct clone_args args = {
        .flags = plan->flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };

    if (plan->v2_dir >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)plan->v2_dir;
    }
    pid_t pid = wr_clone3(&args);
    if (pid == 0) {
        plan->run(plan->arg);
        _exit(1);
    }
    if (pid == -EPERM || pid == -EACCES)
        return wr_fail(
            err, WR_E_FAILED_PRECONDITION, -pid,
            "start a process in new namespaces: this host restricts user namespaces, and `warren doctor` says how to allow them");
    if (pid < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -pid, "start a process in new namespaces");
    return pid;
}

pid_t wr_nest_clone(struct wr_nest *nest, const struct wr_clone_plan *plan, int *ret_pidfd,
                    struct wr_error *err)
{
    struct wr_error home_error;
    pid_t pid = move_self(plan->tasks, plan->v1_count, err);

    if (pid == 0 && plan->netns_fd >= 0)
        pid = wr_netns_enter(plan->netns_fd, err);
    if (pid == 0)
        pid = clone_here(plan, ret_pidfd, err);
    if ((plan->netns_fd >= 0 && wr_netns_enter(nest->netns.home_fd, &home_error) < 0) ||
        move_self(nest->home_tasks, nest->home_count, &home_error) < 0)
        _exit(1);
    return pid;
}
