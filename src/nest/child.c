#include "nest/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "nest/checkpointable.h"
#include "nest/mount_table.h"
#include "nest/privileges.h"
#include "sys/syscall.h"

/* The file that /proc/1/exe names: part of the device layer, the same bytes as the nest's own
 * binary. */
#define EXE_PATH      "/.warren/agent"
#define LOG_MAX_BYTES (1024 * 1024)

static int wait_for_maps(const struct wr_child_plan *plan, struct wr_error *err)
{
    char byte;

    if (wr_read_full(plan->go_fd, &byte, 1) != 1)
        return wr_fail(err, WR_E_INTERNAL, 0, "the nest did not write the id maps");
    return 0;
}

/* Uid 0 of the sandbox; own session, own keyring, own view of the control groups. */
static int become_root_inside(const struct wr_child_plan *plan, struct wr_error *err)
{
    (void)plan;
    int rc = wr_set_ids(0, 0);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "become uid 0 of the sandbox");
    if (setsid() < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "start a session");
    rc = wr_keyctl_join_session();
    if (rc < 0 && rc != -ENOSYS)
        return wr_fail(err, WR_E_INTERNAL, -rc, "start a session keyring");
    if (unshare(CLONE_NEWCGROUP) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "make a cgroup namespace");
    return 0;
}

static int enter_root(const struct wr_child_plan *plan, struct wr_error *err)
{
    if (move_mount(plan->root_fd, "", AT_FDCWD, "/root", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "attach the root file system");
    /* pivot_root(".", ".") stacks the old root above the new one; paths resolve below the new root
     * from here on. */
    if (chdir("/root") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "enter the root file system");
    return 0;
}

static int mount_all(const struct wr_child_plan *plan, struct wr_error *err)
{
    int rc = wr_mount_table_apply(plan->request->shm_mib, err);

    if (rc == 0)
        rc = wr_userns_limits_apply(err);
    if (rc == 0)
        rc = wr_mount_table_protect(err);
    if (rc < 0)
        return rc;
    /* The nest's root goes only now: a new procfs needs a fully visible one in the same mount
     * namespace. */
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "leave the nest's root file system");
    return 0;
}

static int set_names(const struct wr_child_plan *plan, struct wr_error *err)
{
    static const char name[] = "warren-agent";

    if (sethostname(plan->request->id, WR_ID_LEN) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "set the host name");
    (void)prctl(PR_SET_NAME, name, 0, 0, 0); /* cosmetic */
    explicit_bzero(plan->argv0, plan->argv0_len);
    memcpy(plan->argv0, name, WR_MIN(sizeof(name) - 1, plan->argv0_len));
    umask(022);
    return 0;
}

/* The nest blocks SIGCHLD for its signalfd. */
static int reset_signals(const struct wr_child_plan *plan, struct wr_error *err)
{
    sigset_t none;

    (void)plan;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "unblock signals");
    return 0;
}

/* /proc/1/exe must name a file of the sandbox: CRIU refuses to dump a link into another mount
 * namespace. */
static int link_exe(const struct wr_child_plan *plan, struct wr_error *err)
{
    (void)plan;
    wr_auto_close int fd = open(EXE_PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open %s", EXE_PATH);
    int rc = wr_set_exe_link(fd);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "set the exe link to %s", EXE_PATH);
    return 0;
}

/* Stdio on the sandbox's /dev/null; besides it only the agent's socket (3) and the status pipe (4)
 * stay open. */
static int arrange_descriptors(int *listen_fd, int *status_fd, struct wr_error *err)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open /dev/null");
    /* Up and out of the way first, so that no dup2 below overwrites what a later one needs. */
    int high_listen = fcntl(*listen_fd, F_DUPFD_CLOEXEC, 64);
    int high_status = fcntl(*status_fd, F_DUPFD_CLOEXEC, 64);
    if (high_listen < 0 || high_status < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "arrange descriptors");
    for (int fd = 0; fd <= 2; fd++)
        if (dup3(null_fd, fd, 0) < 0 && null_fd != fd)
            return wr_fail_errno(err, WR_E_INTERNAL, "arrange descriptors");
    if (dup3(high_listen, 3, O_CLOEXEC) < 0 || dup3(high_status, 4, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "arrange descriptors");
    if (close_range(5, ~0U, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "close inherited descriptors");
    *listen_fd = 3;
    *status_fd = 4;
    return 0;
}

static int reduce_privileges(const struct wr_child_plan *plan, struct wr_error *err)
{
    int rc = wr_rlimits_apply(&plan->request->rlimits, err);

    if (rc == 0)
        rc = wr_seccomp_install(plan->seccomp, plan->seccomp_count, err);
    return rc ? rc : wr_capabilities_reduce(err);
}

static int read_config(const struct wr_child_plan *plan, struct wr_agent_config *config,
                       json_t **ret, struct wr_error *err)
{
    json_error_t json_error;
    json_t *json =
        json_loadb(plan->config, plan->request->config_len, JSON_REJECT_DUPLICATES, &json_error);

    /* It may hold the access token; the agent's copy is the one in `json`. */
    explicit_bzero(plan->config, plan->request->config_len);
    if (!json)
        return wr_fail(err, WR_E_INTERNAL, 0, "the agent's configuration is not JSON: %s",
                       json_error.text);
    if (json_unpack_ex(json, &json_error, JSON_STRICT, "{s:s, s:s, s:s, s:s, s:o, s?s}",
                       "sandboxId", &config->sandbox_id, "template", &config->template_name, "user",
                       &config->default_user, "workdir", &config->default_workdir, "env",
                       &config->env, "accessToken", &config->access_token) < 0) {
        json_decref(json);
        return wr_fail(err, WR_E_INTERNAL, 0, "the agent's configuration: %s", json_error.text);
    }
    config->log_max_bytes = LOG_MAX_BYTES;
    *ret = json;
    return 0;
}

static const struct {
    const char *what;
    int (*run)(const struct wr_child_plan *plan, struct wr_error *err);
} stages[] = {
    {"wait for id maps", wait_for_maps},
    {"become root inside", become_root_inside},
    {"root file system", enter_root},
    {"mounts", mount_all},
    {"names", set_names},
    {"signals", reset_signals},
    {"exe link", link_exe},
    {"privileges", reduce_privileges},
};

void wr_child_run(const struct wr_child_plan *plan)
{
    struct wr_error err = {0};
    struct wr_agent_config config = {0};
    json_t *json = NULL;
    int listen_fd = plan->listen_fd, status_fd = plan->status_fd;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(stages); i++) {
        rc = stages[i].run(plan, &err);
        if (rc < 0)
            rc = wr_wrap(&err, "start of the sandbox, stage \"%s\"", stages[i].what);
    }
    if (rc == 0)
        rc = read_config(plan, &config, &json, &err);
    if (rc == 0)
        rc = arrange_descriptors(&listen_fd, &status_fd, &err);
    if (rc == 0)
        err = (struct wr_error){0};
    /* The reader may have given up; then the engine kills us anyway. */
    (void)!write(status_fd, &err, sizeof(err));
    if (rc < 0)
        _exit(1);
    close(status_fd);
    config.listen_fd = listen_fd;
    _exit(wr_agent_run(&config));
}
