#include "nest/privilege_table.h"

#include <linux/capability.h>
#include <sys/resource.h>

/* What Docker grants by default, less CAP_NET_RAW (raw sockets are filtered anyway) and
 * CAP_AUDIT_WRITE's neighbours. They act inside the sandbox's user namespace only. CAP_MKNOD makes
 * no device nodes there; dpkg and tar want it. */
static const unsigned char kept[] = {
    CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,           CAP_KILL,
    CAP_SETGID, CAP_SETUID,       CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
    CAP_MKNOD,  CAP_AUDIT_WRITE,  CAP_SETFCAP,
};

uint64_t wr_kept_capabilities(void)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(kept); i++)
        mask |= (uint64_t)1 << kept[i];
    return mask;
}

void wr_rlimit_table(const struct wr_nest_rlimits *limits,
                     struct wr_rlimit_row ret[static WR_RLIMIT_COUNT])
{
    ret[0] = (struct wr_rlimit_row){RLIMIT_NOFILE, limits->open_files, "open files"};
    ret[1] = (struct wr_rlimit_row){RLIMIT_MEMLOCK, limits->memlock_bytes, "locked memory"};
    ret[2] = (struct wr_rlimit_row){RLIMIT_CORE, 0, "core size"};
    ret[3] = (struct wr_rlimit_row){RLIMIT_MSGQUEUE, 819200, "message queues"};
    ret[4] = (struct wr_rlimit_row){RLIMIT_SIGPENDING, 4096, "pending signals"};
}
