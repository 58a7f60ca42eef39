#include "nest/zygote_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "nest/descriptors.h"
#include "nest/mount_table.h"
#include "nest/privileges.h"
#include "nest/root.h"
#include "nest/zygote_protocol.h"
#include "sys/message.h"
#include "sys/syscall.h"

#define PROGRAM "/.warren/runners/python/zygote.py"

static int new_session(const struct wr_zygote_plan *plan, struct wr_error *err)
{
    (void)plan;
    if (setsid() < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "start a session");
    int rc = wr_keyctl_join_session();
    return rc < 0 && rc != -ENOSYS ? wr_fail(err, WR_E_INTERNAL, -rc, "start a session keyring")
                                   : 0;
}

static int enter_root(const struct wr_zygote_plan *plan, struct wr_error *err)
{
    return wr_sandbox_root_enter(plan->root_fd, err);
}

/* The same as in a sandbox, but that /proc shows the nest's processes, without which it could not
 * enter their namespaces. */
static int mount_all(const struct wr_zygote_plan *plan, struct wr_error *err)
{
    int rc = wr_mount_table_apply(plan->request->shm_mib, err);

    if (rc == 0)
        rc = wr_mount_table_protect(err);
    return rc ? rc : wr_nest_root_leave(err);
}

static int set_defaults(const struct wr_zygote_plan *plan, struct wr_error *err)
{
    (void)plan;
    umask(022);
    wr_signals_reset();
    /* Open files and locked memory are limited in each context, to its sandbox's numbers. */
    return wr_rlimits_apply(&(struct wr_nest_rlimits){UINT64_MAX, UINT64_MAX}, err);
}

static int reduce_privileges(const struct wr_zygote_plan *plan, struct wr_error *err)
{
    const uint32_t id = plan->request->slot * WR_SLOT_IDS;
    struct stat st;

    if (fstat(plan->seccomp_fd, &st) < 0 || st.st_size <= 0 ||
        st.st_size > BPF_MAXINSNS * (off_t)sizeof(struct sock_filter))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the seccomp program has a wrong size");
    const void *program =
        mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, plan->seccomp_fd, 0);
    if (program == MAP_FAILED)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "read the seccomp program");
    int rc = wr_zygote_capabilities_apply(id, err);
    if (rc < 0)
        return rc;
    return wr_seccomp_install(program, (size_t)st.st_size / sizeof(struct sock_filter), err);
}

static const struct {
    const char *what;
    int (*run)(const struct wr_zygote_plan *plan, struct wr_error *err);
} stages[] = {
    {"session", new_session},   {"root file system", enter_root},  {"mounts", mount_all},
    {"defaults", set_defaults}, {"privileges", reduce_privileges},
};

/* Returns only on failure. */
static int execute(struct wr_error *err)
{
    static const char *const programs[] = {"/usr/local/bin/python3", "/usr/bin/python3",
                                           "/bin/python3"};
    char name[] = "python3", isolated[] = "-I", no_bytecode[] = "-B", program[] = PROGRAM;
    char *const argv[] = {name, isolated, no_bytecode, program, NULL};
    /* What each context's /proc/self/environ will show. */
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
         lang[] = "LANG=C.UTF-8", home[] = "HOME=/root"; /* its uid has no entry in passwd */
    char *const envp[] = {path, lang, home, NULL};

    for (size_t i = 0; i < WR_ARRAY_SIZE(programs); i++) {
        execve(programs[i], argv, envp);
        if (errno != ENOENT)
            return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "execute %s of the template",
                                 programs[i]);
    }
    return wr_fail(err, WR_E_NOT_FOUND, 0, "the template has no python3");
}

void wr_zygote_child_run(const struct wr_zygote_plan *plan)
{
    struct wr_error err = {0};
    int sock = plan->sock, rc = 0;

    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(stages); i++) {
        rc = stages[i].run(plan, &err);
        if (rc < 0)
            rc = wr_wrap(&err, "start of the zygote, stage \"%s\"", stages[i].what);
    }
    if (rc == 0)
        rc = wr_descriptors_arrange((int *[]){&sock}, 1, true, &err);
    if (rc == 0)
        rc = execute(&err);
    struct wr_zygote_reply reply = {.magic = WR_CONTEXT_MAGIC,
                                    .result = err.code == WR_E_NOT_FOUND ? -ENOENT : -EIO};
    (void)!wr_strcopy(reply.text, sizeof(reply.text), err.msg);
    (void)!wr_message_send(sock, &reply, sizeof(reply), NULL, 0);
    _exit(1);
}
