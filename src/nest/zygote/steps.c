#include "nest/zygote/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/checkpointable.h"
#include "nest/hostile_close.h"
#include "nest/privilege_table.h"

/* What /proc/PID/cmdline shows: the command by which a template without a zygote starts the same
 * program. */
static const char title[] = "python3\0-I\0/.warren/runners/python/main.py";

struct plan {
    struct wr_zygote_image *image;
    const struct wr_zygote_request *request;
    const struct wr_zygote_descriptors *fds;
};

int wr_zygote_image_read(struct wr_zygote_image *ret)
{
    if (prctl(PR_GET_TID_ADDRESS, &ret->tid_address, 0, 0, 0) < 0 ||
        syscall(SYS_get_robust_list, 0, &ret->robust_head, &ret->robust_size) < 0)
        return -errno;
    ssize_t len = readlink("/proc/self/exe", ret->exe, sizeof(ret->exe));
    if (len < 0)
        return -errno;
    if ((size_t)len == sizeof(ret->exe))
        return -ENAMETOOLONG;
    ret->exe[len] = '\0';
    return wr_exe_link_read(&ret->map);
}

static int as_errno(long result)
{
    return result < 0 ? -errno : 0;
}

/* The kernel counts who moves into a v1 group and refuses nobody: only what is born there has to
 * find room. So one more is born, and ends at once. Own function, never inlined, because of
 * vfork(). */
static __attribute__((noinline)) int check_room(void)
{
    // NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): a copy would cost a millisecond
    pid_t pid = vfork();

    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return -errno;
    /* It goes by itself as long as SIGCHLD is ignored, but not before vfork() returns: user code
     * that waits for any child must not find it. */
    (void)!waitpid(pid, NULL, 0);
    return 0;
}

/* First: what the rest costs is the sandbox's. The v2 group is the one that the fork was born in.
 */
static int join_groups(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->request->v1_count; i++)
        if (write(plan->fds->tasks[i], "0", 1) != 1)
            return -errno;
    return plan->request->v1_count > 0 ? check_room() : 0;
}

static int start_session(const struct plan *plan)
{
    (void)plan;
    (void)umask(022);
    return as_errno(setsid());
}

static int join_namespaces(const struct plan *plan)
{
    return as_errno(syscall(SYS_setns, plan->fds->pidfd,
                            CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
                                CLONE_NEWUTS | CLONE_NEWCGROUP));
}

/* Raw calls here and below: a C library's wrappers keep state of their own about ids. */
static int become_root_inside(const struct plan *plan)
{
    (void)plan;
    if (syscall(SYS_setresgid, 0, 0, 0) < 0)
        return -errno;
    return as_errno(syscall(SYS_setresuid, 0, 0, 0));
}

static int limit_resources(const struct plan *plan)
{
    struct wr_rlimit_row rows[WR_RLIMIT_COUNT];

    wr_rlimit_table(&plan->request->rlimits, rows);
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct rlimit rl;
        if (syscall(SYS_prlimit64, 0, rows[i].resource, NULL, &rl) < 0)
            return -errno;
        rl.rlim_max = WR_MIN(rl.rlim_max, (rlim_t)rows[i].value);
        rl.rlim_cur = rl.rlim_max;
        if (syscall(SYS_prlimit64, 0, rows[i].resource, &rl, NULL) < 0)
            return -errno;
    }
    return 0;
}

/* Both in one call: the link to the sandbox's own file, without which it could not be dumped, and
 * the command line. */
static int set_title_and_exe(const struct plan *plan)
{
    struct prctl_mm_map *map = &plan->image->map;
    size_t size = WR_MIN(sizeof(title), (size_t)(map->arg_end - map->arg_start));
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address out of /proc/self/stat
    char *arguments = (char *)(uintptr_t)map->arg_start;
    /* Not blocking, should the sandbox have put a FIFO in its place. */
    wr_auto_close int fd = open(plan->image->exe, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    if (size > 0) {
        memcpy(arguments, title, size);
        arguments[size - 1] = '\0';
        map->arg_end = map->arg_start + size;
    }
    return wr_exe_link_set(map, fd);
}

/* With root's rights, so that the cwd may be one that the user could not enter. */
static int enter_cwd(const struct plan *plan)
{
    if (chdir(plan->request->context.cwd) == 0)
        return 0;
    return as_errno(chdir("/"));
}

static int arrange_descriptors(const struct plan *plan)
{
    const struct wr_zygote_descriptors *fds = plan->fds;
    wr_auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    /* All of them are above 3: the zygote's own begin there, and stdio is open. */
    if (null_fd < 0 || dup3(null_fd, 0, 0) < 0 || dup3(fds->stdout_fd, 1, 0) < 0 ||
        dup3(fds->stderr_fd, 2, 0) < 0 || dup3(fds->socket_fd, 3, O_CLOEXEC) < 0)
        return -errno;
    null_fd = -1;
    return as_errno(syscall(SYS_close_range, 4U, ~0U, 0U));
}

/* The two calls that the zygote's filter has to allow and a sandbox's does not. The architecture
 * was checked by that filter, which stays below this one. */
static int install_filter(const struct plan *plan)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setns, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    struct sock_fprog program = {.len = WR_ARRAY_SIZE(code), .filter = code};

    (void)plan;
    return as_errno(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static int forbid_clones(const struct plan *plan)
{
    struct sock_filter code[WR_NO_CLONES_FILTER_LEN];
    struct sock_fprog program = {.len = WR_ARRAY_SIZE(code), .filter = code};

    if (!plan->request->no_clones)
        return 0;
    memcpy(code, wr_no_clones_filter, sizeof(code));
    return as_errno(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

/* A user namespace that is entered comes with a full set. */
static int reduce_bounding_set(const struct plan *plan)
{
    uint64_t kept = wr_kept_capabilities();

    (void)plan;
    for (unsigned cap = 0; cap < 64; cap++) {
        if (kept >> cap & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return errno == EINVAL ? 0 : -errno; /* the kernel's last capability is passed */
    }
    return 0;
}

static int become_user(const struct plan *plan)
{
    const struct wr_context_request *context = &plan->request->context;

    if (syscall(SYS_setgroups, context->group_count, context->groups) < 0 ||
        syscall(SYS_setresgid, context->gid, context->gid, context->gid) < 0)
        return -errno;
    return as_errno(syscall(SYS_setresuid, context->uid, context->uid, context->uid));
}

/* Said explicitly: which capabilities survive a change of ids depends on how both are mapped. */
static int reduce_capabilities(const struct plan *plan)
{
    uint64_t mask = plan->request->context.uid == 0 ? wr_kept_capabilities() : 0;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];

    for (unsigned i = 0; i < WR_ARRAY_SIZE(sets); i++)
        sets[i] = (struct __user_cap_data_struct){.effective = (uint32_t)(mask >> (32 * i)),
                                                  .permitted = (uint32_t)(mask >> (32 * i))};
    return as_errno(syscall(SYS_capset, &header, sets));
}

/* As after an exec: its files in /proc belong to the user, debuggers of the same user may attach.
 */
static int become_dumpable(const struct plan *plan)
{
    (void)plan;
    return as_errno(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

/* SIGCHLD is ignored in the zygote, which would cost programs of the user the exit status. */
static int reset_signals(const struct plan *plan)
{
    const struct sigaction defaults = {.sa_handler = SIG_DFL};
    sigset_t none;

    (void)plan;
    sigemptyset(&none);
    if (sigaction(SIGCHLD, &defaults, NULL) < 0 || sigaction(SIGALRM, &defaults, NULL) < 0)
        return -errno;
    return as_errno(sigprocmask(SIG_SETMASK, &none, NULL));
}

/* A fork has none; the C library registered it for the thread's whole life. */
static int restore_robust_list(const struct plan *plan)
{
    return as_errno(
        syscall(SYS_set_robust_list, plan->image->robust_head, plan->image->robust_size));
}

static const struct {
    const char *what;
    int (*run)(const struct plan *plan);
} steps[] = {
    {"join the control groups", join_groups},
    {"start a session", start_session},
    {"enter the sandbox's namespaces", join_namespaces},
    {"become root inside", become_root_inside},
    {"limit resources", limit_resources},
    {"link to the interpreter's program", set_title_and_exe},
    {"enter the working directory", enter_cwd},
    {"arrange descriptors", arrange_descriptors},
    {"install the filter", install_filter},
    {"forbid clones of data", forbid_clones},
    {"reduce the bounding set", reduce_bounding_set},
    {"become the user", become_user},
    {"give up capabilities", reduce_capabilities},
    {"become dumpable", become_dumpable},
    {"reset signals", reset_signals},
    {"register robust mutexes", restore_robust_list},
};

void wr_zygote_steps_run(struct wr_zygote_image *image, const struct wr_zygote_request *request,
                         const struct wr_zygote_descriptors *fds)
{
    const struct plan plan = {image, request, fds};

    for (size_t i = 0; i < WR_ARRAY_SIZE(steps); i++) {
        int rc = steps[i].run(&plan);
        if (rc == 0)
            continue;
        char text[160];
        int len = snprintf(text, sizeof(text), "warren: context: cannot %s (errno %d)\n",
                           steps[i].what, -rc);
        /* Number 2 is the zygote's own until the descriptors are arranged. */
        int fd = fcntl(fds->stderr_fd, F_GETFD) >= 0 ? fds->stderr_fd : STDERR_FILENO;
        wr_hostile_close_limit(true); /* a pipe that nobody reads holds it no longer than that */
        if (len > 0)
            (void)!write(fd, text, (size_t)len);
        _exit(1);
    }
}
