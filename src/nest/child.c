#include "nest/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "interpreter/service.h"
#include "nest/boot_id.h"
#include "nest/checkpointable.h"
#include "nest/descriptors.h"
#include "nest/hosts.h"
#include "nest/mount_table.h"
#include "nest/privilege_table.h"
#include "nest/privileges.h"
#include "nest/root.h"
#include "nest/userns_limits.h"
#include "nest/volumes.h"
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
    return wr_sandbox_root_enter(plan->root_fd, err);
}

static int mount_all(const struct wr_child_plan *plan, struct wr_error *err)
{
    int rc = wr_boot_id_write(err);

    if (rc == 0)
        rc = wr_mount_table_apply(plan->request->shm_mib, err);
    if (rc == 0)
        rc = wr_userns_limits_apply(err);
    if (rc == 0)
        rc = wr_mount_table_protect(err);
    if (rc == 0)
        rc = wr_boot_id_cover(err);
    return rc ? rc : wr_nest_root_leave(err);
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
    wr_hosts_ensure(plan->request->id);
    return 0;
}

/* After the other mounts, so that none of them can be covered. */
static int attach_volumes(const struct wr_child_plan *plan, struct wr_error *err)
{
    return wr_volumes_attach(plan->request, plan->volume_fds, err);
}

/* The nest blocks SIGCHLD for its signalfd and handles SIGALRM. */
static int reset_signals(const struct wr_child_plan *plan, struct wr_error *err)
{
    sigset_t none;

    (void)plan;
    sigemptyset(&none);
    if (signal(SIGALRM, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "reset signals");
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

static int reduce_privileges(const struct wr_child_plan *plan, struct wr_error *err)
{
    int rc = wr_rlimits_apply(&plan->request->rlimits, err);

    if (rc == 0 && wr_volumes_forbid_clones(plan->request))
        rc = wr_seccomp_install(wr_no_clones_filter, WR_NO_CLONES_FILTER_LEN, err);
    if (rc == 0)
        rc = wr_seccomp_install(plan->seccomp, plan->seccomp_count, err);
    return rc ? rc : wr_capabilities_reduce(err);
}

static int read_config(const struct wr_child_plan *plan, struct wr_agent_config *config,
                       json_t **ret, struct wr_error *err)
{
    json_error_t json_error;
    int blank = 0, content = 0;
    json_int_t cpu_millis = 0;
    json_t *json =
        json_loadb(plan->config, plan->request->config_len, JSON_REJECT_DUPLICATES, &json_error);

    /* It may hold tokens; the agent's copy is the one in `json`. */
    explicit_bzero(plan->config, plan->request->config_len);
    if (!json)
        return wr_fail(err, WR_E_INTERNAL, 0, "the agent's configuration is not JSON: %s",
                       json_error.text);
    if (json_unpack_ex(
            json, &json_error, JSON_STRICT, "{s:s, s:s, s:s, s:s, s:o, s?s, s?s, s?b, s?b, s?I}",
            "sandboxId", &config->sandbox_id, "template", &config->template_name, "user",
            &config->default_user, "workdir", &config->default_workdir, "env", &config->env,
            "accessToken", &config->access_token, "controlToken", &config->control_token, "blank",
            &blank, "volumeContent", &content, "cpuMillis", &cpu_millis) < 0) {
        json_decref(json);
        return wr_fail(err, WR_E_INTERNAL, 0, "the agent's configuration: %s", json_error.text);
    }
    config->blank = blank != 0;
    config->content_root = content ? WR_CONTENT_ROOT : NULL;
    config->cpu_millis = cpu_millis > 0 ? (uint64_t)cpu_millis : 0;
    config->interpreter = &wr_interpreter_service;
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
    {"volumes", attach_volumes},
    {"signals", reset_signals},
    {"exe link", link_exe},
    {"privileges", reduce_privileges},
};

void wr_child_run(const struct wr_child_plan *plan)
{
    struct wr_error err = {0};
    struct wr_agent_config config = {.listen_fd = plan->listen_fd,
                                     .interpreter_fd = plan->interpreter_fd};
    json_t *json = NULL;
    int status_fd = plan->status_fd;
    int *kept[] = {&config.listen_fd, &config.interpreter_fd, &status_fd};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(stages); i++) {
        rc = stages[i].run(plan, &err);
        if (rc < 0)
            rc = wr_wrap(&err, "start of the sandbox, stage \"%s\"", stages[i].what);
    }
    if (rc == 0)
        rc = read_config(plan, &config, &json, &err);
    if (rc == 0)
        rc = wr_descriptors_arrange(kept, WR_ARRAY_SIZE(kept), false, &err);
    if (rc == 0)
        err = (struct wr_error){0};
    /* The reader may have given up; then the engine kills us anyway. */
    (void)!write(status_fd, &err, sizeof(err));
    if (rc < 0)
        _exit(1);
    close(status_fd);
    _exit(wr_agent_run(&config));
}
