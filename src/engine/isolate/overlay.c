#include "engine/isolate/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/isolate/idmapped.h"

/*
 * The mounter's credentials are what the overlay uses for its own work ever after. So they must be
 * (1) an id that the idmapped upper knows, else the kernel silently mounts read-only, and (2)
 * without CAP_SYS_RESOURCE, else writes ignore disk quota.
 */
struct saved_creds {
    struct __user_cap_data_struct caps[2];
    pid_t parent;
    int parent_death_signal;
};

static void creds_leave(const struct saved_creds *saved)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

    setfsuid(0);
    setfsgid(0);
    (void)syscall(SYS_capset, &header,
                  saved->caps); /* raising within the permitted set cannot fail */
    /* The kernel forgets it at every change of these ids (engine/main.c asked for it); a parent
     * that died meanwhile is made up for. */
    (void)prctl(PR_SET_PDEATHSIG, saved->parent_death_signal, 0, 0, 0);
    if (saved->parent_death_signal && getppid() != saved->parent)
        (void)raise(saved->parent_death_signal);
}

static int creds_enter(uid_t host_base, struct saved_creds *saved, struct wr_error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    saved->parent = getppid();
    if (syscall(SYS_capget, &header, saved->caps) < 0 ||
        prctl(PR_GET_PDEATHSIG, &saved->parent_death_signal, 0, 0, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "read capabilities");
    setfsuid(host_base);
    setfsgid(host_base);
    /* setfsuid drops the file capabilities from the effective set; put everything permitted back
     * but CAP_SYS_RESOURCE. */
    for (size_t i = 0; i < WR_ARRAY_SIZE(caps); i++) {
        caps[i] = saved->caps[i];
        caps[i].effective = caps[i].permitted;
    }
    caps[0].effective &= ~(1U << CAP_SYS_RESOURCE);
    if (syscall(SYS_capset, &header, caps) < 0) {
        int rc = wr_fail_errno(err, WR_E_INTERNAL, "set capabilities");
        creds_leave(saved);
        return rc;
    }
    return 0;
}

/* index and nfs_export give inotify watches the file handles that a checkpoint needs; redirect_dir
 * makes rename of lower directories work; metacopy excludes nfs_export. volatile: no sync on
 * unmount, the data is gone with the machine anyway. */
static const char *const options[][2] = {
    {"source", "warren"},
    {"index", "on"},
    {"nfs_export", "on"},
    {"redirect_dir", "on"},
};

static int set_options(int fs, struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(options); i++)
        if (fsconfig(fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
            return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "overlay: set %s", options[i][0]);
    if (fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "overlay: set volatile");
    return 0;
}

/* The idmapped clones that one overlay is made of. */
struct layers {
    int lower[WR_OVERLAY_MAX_LAYERS];
    size_t count;
    int upper_parent; /* -1 until cloned */
};

static void layers_done(struct layers *l)
{
    for (size_t i = 0; i < l->count; i++)
        wr_close(l->lower[i]);
    wr_close(l->upper_parent);
}

static int layers_clone(const struct wr_overlay_opts *opts, struct layers *l, struct wr_error *err)
{
    for (size_t i = 0; i < opts->layer_count; i++) {
        int rc = wr_idmapped_clone(opts->layer_fds[i], opts->userns_fd, MOUNT_ATTR_RDONLY,
                                   "a layer", &l->lower[l->count], err);
        if (rc < 0)
            return rc;
        l->count++;
    }
    return wr_idmapped_clone(opts->upper_parent_fd, opts->userns_fd, MOUNT_ATTR_NOSUID,
                             "an upper directory", &l->upper_parent, err);
}

static int set_fd(int fs, const char *key, int fd, struct wr_error *err)
{
    if (fsconfig(fs, FSCONFIG_SET_FD, key, NULL, fd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "overlay: set %s", key);
    return 0;
}

static int name_by_fd(int fs, const struct layers *l, struct wr_error *err)
{
    wr_auto_close int upper =
        openat(l->upper_parent, "u", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    wr_auto_close int work =
        openat(l->upper_parent, "w", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = 0;

    if (upper < 0 || work < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the upper directory");
    for (size_t i = 0; rc == 0 && i < l->count; i++)
        rc = set_fd(fs, "lowerdir+", l->lower[i], err);
    if (rc == 0)
        rc = set_fd(fs, "upperdir", upper, err);
    return rc ? rc : set_fd(fs, "workdir", work, err);
}

static int stage_attach(const struct wr_overlay_stage *stage, int mount_fd, const char *name,
                        struct wr_error *err)
{
    if (mkdirat(stage->dirfd, name, 0700) < 0 && errno != EEXIST)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a staging directory");
    if (move_mount(mount_fd, "", stage->dirfd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "attach a layer to the staging directory");
    return 0;
}

/* Attaches every clone as l0, l1, ... and up, and names them relative to the current directory,
 * because the kernel takes at most 255 bytes. */
static int name_by_stage(const struct wr_overlay_stage *stage, int fs, const struct layers *l,
                         struct wr_error *err)
{
    char lower[256] = "", name[24];
    size_t used = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < l->count; i++) {
        (void)!snprintf(name, sizeof(name), "l%zu", i);
        rc = stage_attach(stage, l->lower[i], name, err);
        used += (size_t)snprintf(lower + used, sizeof(lower) - used, "%s%s", i ? ":" : "", name);
    }
    if (rc == 0)
        rc = stage_attach(stage, l->upper_parent, "up", err);
    if (rc == 0 && (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) < 0 ||
                    fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", "up/u", 0) < 0 ||
                    fsconfig(fs, FSCONFIG_SET_STRING, "workdir", "up/w", 0) < 0))
        rc = wr_fail_errno(err, WR_E_INTERNAL, "overlay: set layers by path");
    return rc;
}

static void stage_detach(const struct layers *l)
{
    char name[24];

    for (size_t i = 0; i < l->count; i++) {
        (void)!snprintf(name, sizeof(name), "l%zu", i);
        (void)umount2(name, MNT_DETACH); /* one that was not attached: nothing to do */
    }
    (void)umount2("up", MNT_DETACH);
}

static int create(const struct wr_overlay_stage *stage, const struct layers *l, int *ret_fd,
                  struct wr_error *err)
{
    wr_auto_close int fs = fsopen("overlay", FSOPEN_CLOEXEC);

    if (fs < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "open overlayfs (CONFIG_OVERLAY_FS)");
    int rc = stage->needed ? name_by_stage(stage, fs, l, err) : name_by_fd(fs, l, err);
    if (rc == 0)
        rc = set_options(fs, err);
    if (rc == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "mount the overlay");
    if (rc < 0)
        return rc;
    /* Not nodev: the device layer's nodes must work. Nobody inside can make others (CAP_MKNOD
     * counts in the host's namespace only). */
    int mount_fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    if (mount_fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "mount the overlay");
    *ret_fd = mount_fd;
    return 0;
}

static int create_staged(struct wr_overlay_stage *stage, const struct layers *l, int *ret_fd,
                         struct wr_error *err)
{
    if (fchdir(stage->dirfd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "enter the staging directory");
    int rc = create(stage, l, ret_fd, err);
    stage_detach(l);
    if (chdir("/") < 0 && rc == 0)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "leave the staging directory");
    return rc;
}

static int mount_once(struct wr_overlay_stage *stage, const struct wr_overlay_opts *opts,
                      int *ret_fd, struct wr_error *err)
{
    WR_CLEANUP(layers_done) struct layers l = {.upper_parent = -1};
    struct saved_creds saved;
    int rc = layers_clone(opts, &l, err);

    if (rc == 0)
        rc = creds_enter(opts->host_base, &saved, err);
    if (rc < 0)
        return rc;
    rc = stage->needed ? create_staged(stage, &l, ret_fd, err) : create(stage, &l, ret_fd, err);
    creds_leave(&saved);
    return rc;
}

/* Layers by descriptor need Linux 6.13. How others refuse: until 6.4 EOPNOTSUPP, from 6.5 on EBADF
 * (O_PATH) or EINVAL. */
static bool is_old_kernel(int os_errno)
{
    return os_errno == EOPNOTSUPP || os_errno == EBADF || os_errno == EINVAL;
}

int wr_overlay_mount(struct wr_overlay_stage *stage, const struct wr_overlay_opts *opts,
                     int *ret_fd, struct wr_error *err)
{
    if (opts->layer_count == 0 || opts->layer_count > WR_OVERLAY_MAX_LAYERS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%zu layers; between 1 and %d are possible",
                       opts->layer_count, WR_OVERLAY_MAX_LAYERS);
    int rc = mount_once(stage, opts, ret_fd, err);
    if (rc < 0 && is_old_kernel(err->os_errno) && !stage->needed && stage->dirfd >= 0) {
        stage->needed = true;
        rc = mount_once(stage, opts, ret_fd, err);
        stage->needed = rc == 0; /* else that was not the reason */
    }
    return rc;
}

int wr_overlay_stage_open(const char *run_dir, struct wr_overlay_stage *ret, struct wr_error *err)
{
    char path[256];

    if (!wr_strformat(path, sizeof(path), "%s/stage", run_dir))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the path %s is too long", run_dir);
    int rc = wr_mkdir_parents(AT_FDCWD, path, 0700);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "make %s", path);
    while (umount2(path, MNT_DETACH) == 0)
        ; /* each engine that was killed left at most one */
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=700,size=64k,nr_inodes=64") < 0 ||
        mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "mount a tmpfs on %s", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open %s", path);
    *ret = (struct wr_overlay_stage){.dirfd = fd};
    return 0;
}

void wr_overlay_stage_close(const char *run_dir, struct wr_overlay_stage *stage)
{
    char path[256];

    stage->dirfd = wr_close(stage->dirfd);
    if (wr_strformat(path, sizeof(path), "%s/stage", run_dir))
        (void)umount2(path, MNT_DETACH);
}
