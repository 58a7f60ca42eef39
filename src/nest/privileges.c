#include "nest/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

/* What Docker grants by default, less CAP_NET_RAW (raw sockets are filtered anyway) and
 * CAP_AUDIT_WRITE's neighbours. They act inside the sandbox's user namespace only. CAP_MKNOD makes
 * no device nodes there; dpkg and tar want it. */
static const unsigned kept[] = {
    CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,           CAP_KILL,
    CAP_SETGID, CAP_SETUID,       CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
    CAP_MKNOD,  CAP_AUDIT_WRITE,  CAP_SETFCAP,
};

static uint64_t kept_mask(void)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(kept); i++)
        mask |= (uint64_t)1 << kept[i];
    return mask;
}

int wr_seccomp_install(const struct sock_filter *program, size_t count, struct wr_error *err)
{
    /* The kernel does not write through `filter`; its type is an accident of the header. */
    union {
        const struct sock_filter *in;
        struct sock_filter *out;
    } pun = {.in = program};
    struct sock_fprog fprog = {.len = (unsigned short)count, .filter = pun.out};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) < 0)
        return wr_fail_errno(
            err, WR_E_FAILED_PRECONDITION,
            "install the seccomp filter (does the kernel have CONFIG_SECCOMP_FILTER?)");
    return 0;
}

int wr_capabilities_reduce(struct wr_error *err)
{
    uint64_t mask = kept_mask();
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];

    for (unsigned cap = 0; cap < 64; cap++) {
        if (mask >> cap & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            if (errno == EINVAL)
                break; /* the kernel's last capability is passed */
            return wr_fail_errno(err, WR_E_INTERNAL, "drop capability %u", cap);
        }
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "clear ambient capabilities");
    for (unsigned i = 0; i < 2; i++)
        sets[i] = (struct __user_cap_data_struct){.effective = (uint32_t)(mask >> (32 * i)),
                                                  .permitted = (uint32_t)(mask >> (32 * i))};
    if (syscall(SYS_capset, &header, sets) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "reduce capabilities");
    return 0;
}

/* Lowers both limits to `value`; a hard limit that is lower already stays. */
static int limit(__rlimit_resource_t resource, uint64_t value, const char *name,
                 struct wr_error *err)
{
    struct rlimit rl;

    if (getrlimit(resource, &rl) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "read limit of %s", name);
    rl.rlim_max = WR_MIN(rl.rlim_max, (rlim_t)value);
    rl.rlim_cur = rl.rlim_max;
    if (setrlimit(resource, &rl) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "set limit of %s", name);
    return 0;
}

int wr_rlimits_apply(const struct wr_nest_rlimits *limits, struct wr_error *err)
{
    int rc = limit(RLIMIT_NOFILE, limits->open_files, "open files", err);

    if (rc == 0)
        rc = limit(RLIMIT_MEMLOCK, limits->memlock_bytes, "locked memory", err);
    if (rc == 0)
        rc = limit(RLIMIT_CORE, 0, "core size", err);
    if (rc == 0)
        rc = limit(RLIMIT_MSGQUEUE, 819200, "message queues", err);
    return rc ? rc : limit(RLIMIT_SIGPENDING, 4096, "pending signals", err);
}

int wr_userns_limits_apply(struct wr_error *err)
{
    static const struct {
        const char *path, *value;
    } rows[] = {
        {"/proc/sys/user/max_user_namespaces", "0"},
        {"/proc/sys/user/max_inotify_instances", "128"},
        {"/proc/sys/user/max_inotify_watches", "65536"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        int rc = wr_file_write_str(AT_FDCWD, rows[i].path, rows[i].value);
        if (rc < 0 && rc != -ENOENT)
            return wr_fail(err, WR_E_INTERNAL, -rc, "write %s", rows[i].path);
    }
    return 0;
}
