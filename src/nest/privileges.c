#include "nest/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "nest/privilege_table.h"
#include "sys/syscall.h"

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

static int reduce_bounding_set(uint64_t mask, struct wr_error *err)
{
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
    return 0;
}

static int set_capabilities(uint64_t mask, uint64_t inheritable, struct wr_error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];

    for (unsigned i = 0; i < 2; i++)
        sets[i] =
            (struct __user_cap_data_struct){.effective = (uint32_t)(mask >> (32 * i)),
                                            .permitted = (uint32_t)(mask >> (32 * i)),
                                            .inheritable = (uint32_t)(inheritable >> (32 * i))};
    if (syscall(SYS_capset, &header, sets) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "reduce capabilities");
    return 0;
}

int wr_capabilities_reduce(struct wr_error *err)
{
    const uint64_t mask = wr_kept_capabilities();
    int rc = reduce_bounding_set(mask, err);

    return rc ? rc : set_capabilities(mask, 0, err);
}

int wr_zygote_capabilities_apply(uint32_t id, struct wr_error *err)
{
    /* To enter the namespaces of a sandbox (of the nest's user namespace, so of its sandboxes
     * only) by the pidfd of its first process, which is not dumpable, and to give up all rights
     * there. */
    static const unsigned kept[] = {
        CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SYS_CHROOT, CAP_SETUID, CAP_SETGID, CAP_SETPCAP,
    };
    uint64_t mask = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(kept); i++)
        mask |= (uint64_t)1 << kept[i];
    int rc = reduce_bounding_set(mask, err);
    if (rc < 0)
        return rc;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "keep capabilities");
    rc = wr_set_ids(id, id);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "become the zygote's id");
    rc = set_capabilities(mask, mask, err);
    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(kept); i++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[i], 0, 0) < 0)
            rc = wr_fail_errno(err, WR_E_INTERNAL, "pass capability %u on", kept[i]);
    return rc;
}

int wr_rlimits_apply(const struct wr_nest_rlimits *limits, struct wr_error *err)
{
    struct wr_rlimit_row rows[WR_RLIMIT_COUNT];

    wr_rlimit_table(limits, rows);
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct rlimit rl;
        if (getrlimit((__rlimit_resource_t)rows[i].resource, &rl) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "read limit of %s", rows[i].name);
        rl.rlim_max = WR_MIN(rl.rlim_max, (rlim_t)rows[i].value);
        rl.rlim_cur = rl.rlim_max;
        if (setrlimit((__rlimit_resource_t)rows[i].resource, &rl) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "set limit of %s", rows[i].name);
    }
    return 0;
}
