#include "nest/mount_table.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct mount_row {
    const char *type;
    const char *target;
    unsigned long flags;
    const char *options;
};

/* /dev is a directory of the device layer (engine/isolate/device_layer.c): nodes in the overlay need no mount and
 * survive a checkpoint. No sysfs: it would need a network namespace owned by the sandbox. */
static const struct mount_row mounts[] = {
    {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,gid=5,mode=620,ptmxmode=0666"},
    {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755,size=64m,nr_inodes=16k"},
};

/* Files that are replaced by /dev/null. Absent ones are skipped: kernels differ in what they offer. */
static const char *const masked_files[] = {
    "/proc/kcore",      "/proc/kmsg",       "/proc/keys",         "/proc/key-users",
    "/proc/kallsyms",   "/proc/timer_list", "/proc/sched_debug",  "/proc/kpagecount",
    "/proc/kpageflags", "/proc/kpagecgroup", "/proc/sysrq-trigger", "/proc/config.gz",
    "/proc/interrupts", "/proc/diskstats",
};

/* Directories that are covered by an empty read-only tmpfs. */
static const char *const masked_dirs[] = {
    "/proc/acpi", "/proc/asound", "/proc/scsi", "/proc/pressure", "/proc/driver", "/proc/dynamic_debug",
};

/* Trees that stay readable but not writable. */
static const char *const read_only[] = {
    "/proc/sys",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
};

static int mask_files(struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(masked_files); i++)
        if (mount("/dev/null", masked_files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return wr_fail_errno(err, WR_E_INTERNAL, "hide %s", masked_files[i]);
    return 0;
}

static int mask_dirs(struct wr_error *err)
{
    const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

    for (size_t i = 0; i < WR_ARRAY_SIZE(masked_dirs); i++)
        if (mount("tmpfs", masked_dirs[i], "tmpfs", flags, "size=0,mode=555,nr_inodes=2") < 0 && errno != ENOENT)
            return wr_fail_errno(err, WR_E_INTERNAL, "hide %s", masked_dirs[i]);
    return 0;
}

static int make_read_only(struct wr_error *err)
{
    const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

    for (size_t i = 0; i < WR_ARRAY_SIZE(read_only); i++) {
        if (mount(read_only[i], read_only[i], NULL, MS_BIND, NULL) < 0) {
            if (errno == ENOENT)
                continue;
            return wr_fail_errno(err, WR_E_INTERNAL, "bind %s", read_only[i]);
        }
        if (mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "make %s read-only", read_only[i]);
    }
    return 0;
}

int wr_mount_table_apply(uint32_t shm_mib, struct wr_error *err)
{
    char shm_options[64];

    for (size_t i = 0; i < WR_ARRAY_SIZE(mounts); i++)
        if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].options) < 0)
            return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "mount %s on %s (does the template have this directory?)",
                                 mounts[i].type, mounts[i].target);
    if (!wr_strformat(shm_options, sizeof(shm_options), "mode=1777,size=%um", shm_mib))
        return wr_fail(err, WR_E_INTERNAL, 0, "options of /dev/shm are too long");
    if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, shm_options) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "mount tmpfs on /dev/shm");
    return 0;
}

int wr_mount_table_protect(struct wr_error *err)
{
    int rc = mask_files(err);

    if (rc == 0)
        rc = mask_dirs(err);
    return rc ? rc : make_read_only(err);
}
