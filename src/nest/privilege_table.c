#include "nest/privilege_table.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>

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

#define SAME_FS_ONLY (SECCOMP_RET_ERRNO | EXDEV) /* upon which programs copy the bytes */

const struct sock_filter wr_no_clones_filter[WR_NO_CLONES_FILTER_LEN] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_copy_file_range, 6, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
    /* Little endian: the low half of the command, which is all that the kernel looks at. */
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FICLONE, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FICLONERANGE, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIDEDUPERANGE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SAME_FS_ONLY),
};

void wr_rlimit_table(const struct wr_nest_rlimits *limits,
                     struct wr_rlimit_row ret[static WR_RLIMIT_COUNT])
{
    ret[0] = (struct wr_rlimit_row){RLIMIT_NOFILE, limits->open_files, "open files"};
    ret[1] = (struct wr_rlimit_row){RLIMIT_MEMLOCK, limits->memlock_bytes, "locked memory"};
    ret[2] = (struct wr_rlimit_row){RLIMIT_CORE, 0, "core size"};
    ret[3] = (struct wr_rlimit_row){RLIMIT_MSGQUEUE, 819200, "message queues"};
    ret[4] = (struct wr_rlimit_row){RLIMIT_SIGPENDING, 4096, "pending signals"};
}
