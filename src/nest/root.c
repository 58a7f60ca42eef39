#include "nest/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Any directory that every host has; what it holds is covered in this mount namespace only. */
#define STAGING "/tmp"

int wr_nest_root_enter(struct wr_error *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make mounts private");
    if (mount("tmpfs", STAGING, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k,nr_inodes=32") <
        0)
        return wr_fail_errno(err, WR_E_INTERNAL, "mount a tmpfs on %s", STAGING);
    if (mkdir(STAGING "/proc", 0555) < 0 || mkdir(STAGING "/root", 0755) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make directories of the nest's root");
    if (mount("proc", STAGING "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return wr_fail_errno(
            err, WR_E_FAILED_PRECONDITION,
            "mount procfs in a user namespace (if this host is itself a container, its /proc must not be masked)");
    if (chdir(STAGING) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "leave the host's root file system");
    return 0;
}

int wr_sandbox_root_enter(int root_fd, struct wr_error *err)
{
    if (move_mount(root_fd, "", AT_FDCWD, "/root", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "attach the root file system");
    /* pivot_root(".", ".") stacks the old root above the new one; paths resolve below the new root
     * from here on. */
    if (chdir("/root") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "enter the root file system");
    return 0;
}

int wr_nest_root_leave(struct wr_error *err)
{
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "leave the nest's root file system");
    return 0;
}
