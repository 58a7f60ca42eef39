#include "nest/mount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

struct mount_row {
    const char *type;
    const char *target;
    unsigned long flags;
    const char *options;
};

/*
 * Trees of the device layer (engine/isolate/device_layer.c) that stay as they are: a bind on
 * themselves, read-only. Uid 0 inside could remove /dev/null or the agent's program otherwise,
 * after which no process starts any more and a checkpoint could not be restored. Device nodes still
 * work: read-only concerns the directory. No sysfs: it would need a network namespace owned by the
 * sandbox.
 */
static const struct mount_row fixed[] = {
    {NULL, "/dev", MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL},
    {NULL, "/.warren", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL},
};

static const struct mount_row mounts[] = {
    {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
    /* max: pseudo-terminals are counted for the whole host (kernel.pty.max). */
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
     "newinstance,gid=5,mode=620,ptmxmode=0666,max=128"},
    {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755,size=64m,nr_inodes=16k"},
};

/*
 * Uid 0 of a sandbox is a stranger to the host's files: what is root-only in procfs (kcore, kmsg,
 * kpage*, timer_list, vmallocinfo, slabinfo, sysrq-trigger, everything writable below bus, fs, irq)
 * refuses it without our help. The tables cover what strangers may read or write and should not.
 * The covers are an empty file and an empty directory of the device layer: a tmpfs would cost each
 * checkpoint an archive of its contents.
 */
#define BLANK "/.warren/blank"
#define EMPTY "/.warren/empty"

static const struct {
    const char *target, *cover;
} masks[] = {
    {"/proc/keys", BLANK},       /* keys of others would show if ids were ever shared */
    {"/proc/kallsyms", BLANK},   /* names of the running kernel's functions */
    {"/proc/interrupts", BLANK}, /* timing of other tenants' devices */
    {"/proc/diskstats", BLANK},
    {"/proc/pressure", EMPTY}, /* writable for all: every open trigger costs the kernel a timer */
    {"/proc/acpi", EMPTY},
    {"/proc/scsi", EMPTY},
};

/* Stays readable but not writable: some sysctls belong to the sandbox's own namespaces. */
static const struct mount_row read_only[] = {
    {NULL, "/proc/sys", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
};

static int bind_on_itself(const struct mount_row *row, struct wr_error *err)
{
    if (mount(row->target, row->target, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, row->target, NULL, MS_BIND | MS_REMOUNT | row->flags, NULL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make %s read-only", row->target);
    return 0;
}

/* What this kernel does not have needs no cover. */
static int mask(struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(masks); i++)
        if (mount(masks[i].cover, masks[i].target, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return wr_fail_errno(err, WR_E_INTERNAL, "hide %s", masks[i].target);
    return 0;
}

int wr_mount_table_apply(uint32_t shm_mib, struct wr_error *err)
{
    char shm_options[64];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(fixed); i++)
        rc = bind_on_itself(&fixed[i], err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < WR_ARRAY_SIZE(mounts); i++)
        if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
                  mounts[i].options) < 0)
            return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                                 "mount %s on %s (does the template have this directory?)",
                                 mounts[i].type, mounts[i].target);
    if (!wr_strformat(shm_options, sizeof(shm_options), "mode=1777,size=%um", shm_mib))
        return wr_fail(err, WR_E_INTERNAL, 0, "options of /dev/shm are too long");
    if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, shm_options) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "mount tmpfs on /dev/shm");
    return 0;
}

int wr_mount_table_protect(struct wr_error *err)
{
    int rc = mask(err);

    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(read_only); i++)
        rc = bind_on_itself(&read_only[i], err);
    return rc;
}
