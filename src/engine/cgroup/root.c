#include "engine/cgroup/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup/cgroup_v1.h"
#include "engine/cgroup/cgroup_v2.h"
#include "engine/storage/mountinfo.h"

bool wr_cgroup_name_valid(const char *name)
{
    return wr_str_only(name, "abcdefghijklmnopqrstuvwxyz0123456789._-", 1, WR_CGROUP_NAME_MAX) &&
           name[0] != '.' && name[0] != '-' && name[0] != '_';
}

static int open_dir(int dirfd, const char *path)
{
    return openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * A v2 hierarchy that is mounted nowhere (hosts with v1 only) is mounted for us alone, without a
 * place in the file system: it is the same hierarchy for everyone who mounts it, so a restarted
 * engine finds its groups again.
 */
static int mount_private_v2(struct wr_error *err)
{
    wr_auto_close int fs = fsopen("cgroup2", FSOPEN_CLOEXEC);
    int mount = -1;
    if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
        mount =
            fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    }
    if (mount < 0 && errno == EPERM) {
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                             "mount a cgroup2 file system: run the engine as root of the host");
    }
    if (mount < 0) {
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                             "no cgroup2 file system is mounted and a private mount failed; run "
                             "'mount -t cgroup2 none /sys/fs/cgroup/unified'");
    }
    return mount;
}

/* Makes or finds the instance directory below h->parent_fd. */
static int open_instance(struct wr_hierarchy *h, const char *directory)
{
    if (mkdirat(h->parent_fd, directory, 0755) < 0 && errno != EEXIST)
        return -errno;
    h->fd = open_dir(h->parent_fd, directory);
    return h->fd < 0 ? -errno : 0;
}

static int fail_instance(const struct wr_hierarchy *h, int os_errno, bool read_only,
                         struct wr_error *err)
{
    if (os_errno == EROFS || read_only) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, os_errno,
                       "make %.120s: the cgroup file system is read-only; remount it read-write or "
                       "give the container its cgroups",
                       h->label);
    }
    if (os_errno == EACCES || os_errno == EPERM) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, os_errno,
                       "make %.120s: run the engine as root of the host", h->label);
    }
    return wr_fail(err, WR_E_FAILED_PRECONDITION, os_errno, "make %.120s", h->label);
}

/* Opens the instance directory in <mount><parent>; makes it if `make`. 0 or -errno. */
static int open_below(struct wr_hierarchy *h, const char *mount, const char *parent,
                      const char *directory, bool make)
{
    char path[2 * WR_CGROUP_PATH_MAX];
    if (!wr_strformat(path, sizeof(path), "%s%s", mount, parent) ||
        !wr_strformat(h->label, sizeof(h->label), "%s/%s", path, directory))
        return -ENAMETOOLONG;
    h->parent_fd = wr_close(h->parent_fd);
    h->parent_fd = open_dir(AT_FDCWD, path);
    if (h->parent_fd < 0)
        return -errno;
    if (make)
        return open_instance(h, directory);
    h->fd = open_dir(h->parent_fd, directory);
    return h->fd < 0 ? -errno : 0;
}

/*
 * v1: below our own group, so that limits which the operator gave to the service hold for all
 * sandboxes together. Where that is not allowed, directly below the root of the hierarchy.
 *
 * Where it was is noted in an extended attribute of the v2 instance directory: an engine that is
 * started again from another group (a new login session) has to find the sandboxes of the one
 * before.
 */
static int attach_v1(struct wr_cgroup_root *root, struct wr_hierarchy *h,
                     const struct wr_cgroup_place *place, struct wr_error *err)
{
    int v2_fd = root->hierarchies[root->count - 1].fd;
    char note[32], parent[WR_CGROUP_PATH_MAX];

    h->ops = &wr_hierarchy_v1;
    h->controllers = place->controllers;
    if (!wr_strformat(note, sizeof(note), "trusted.warren.v1.%u", place->controllers))
        return wr_fail(err, WR_E_INTERNAL, ENAMETOOLONG, "cgroup attribute");
    ssize_t len = fgetxattr(v2_fd, note, parent, sizeof(parent) - 1);
    int r = -ENOENT;
    if (len >= 0) {
        parent[len] = '\0';
        r = open_below(h, place->mount, parent, root->directory, false);
    }
    if (r == 0)
        return h->ops->prepare(h, err);

    const char *chosen = place->own;
    r = open_below(h, place->mount, chosen, root->directory, true);
    if (r < 0) {
        chosen = "";
        r = open_below(h, place->mount, chosen, root->directory, true);
    }
    if (r < 0)
        return fail_instance(h, -r, place->read_only, err);
    /* Without the note only that start from elsewhere is lost. */
    (void)fsetxattr(v2_fd, note, chosen, strlen(chosen), 0);
    return h->ops->prepare(h, err);
}

/*
 * v2: directly below the root of the mount, not below our own group. A group with processes (the
 * service's own) cannot give controllers to children, a unit without Delegate= is rearranged by
 * systemd, and one with it is killed with all its children when the service stops; sandboxes have
 * to outlive the engine.
 */
static int attach_v2(struct wr_cgroup_root *root, struct wr_hierarchy *h,
                     const struct wr_cgroup_layout *layout, unsigned wanted, struct wr_error *err)
{
    const char *mount = layout->has_v2 ? layout->v2.mount : "(private cgroup2 mount)";
    char available[512];

    h->ops = &wr_hierarchy_v2;
    if (!wr_strformat(h->label, sizeof(h->label), "%s/%s", mount, root->directory))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, ENAMETOOLONG, "%.64s", mount);
    h->parent_fd = layout->has_v2 ? open_dir(AT_FDCWD, mount) : mount_private_v2(err);
    if (h->parent_fd < 0 && layout->has_v2)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "open %.96s", mount);
    if (h->parent_fd < 0)
        return -err->code;

    ssize_t len =
        wr_file_read_line(h->parent_fd, "cgroup.controllers", available, sizeof(available));
    if (len < 0) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, (int)-len, "read %.96s/cgroup.controllers",
                       mount);
    }
    unsigned missing = wanted & ~wr_controllers_parse(available);
    if (missing) {
        char names[64];
        wr_controllers_format(missing, names, sizeof(names));
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "no hierarchy has the cgroup controller %s: enable it in the kernel "
                       "(cgroup_enable=%s; see /proc/cgroups), or mount its v1 hierarchy",
                       names, names);
    }
    h->controllers = wanted;
    int r = 0;
    if (wanted)
        r = wr_cgroup_v2_enable(h->parent_fd, mount, wanted, err);
    if (r < 0)
        return r;
    r = open_instance(h, root->directory);
    if (r < 0)
        return fail_instance(h, -r, layout->v2.read_only, err);
    /* CLONE_INTO_CGROUP asks for the common ancestor of both groups too. */
    if (fchownat(h->fd, "cgroup.procs", root->member_uid, root->member_gid, 0) < 0) {
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "chown cgroup.procs of %.96s",
                             h->label);
    }
    return h->ops->prepare(h, err);
}

static void free_root_ptr(struct wr_cgroup_root **root)
{
    *root = wr_cgroup_root_free(*root);
}

int wr_cgroup_root_attach(const struct wr_cgroup_layout *layout, const char *instance,
                          uid_t member_uid, gid_t member_gid, struct wr_cgroup_root **ret,
                          struct wr_error *err)
{
    if (!wr_cgroup_name_valid(instance)) {
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "instance name '%.70s': use 1 to %d of a-z, 0-9, '.', '_', '-'", instance,
                       WR_CGROUP_NAME_MAX);
    }
    WR_CLEANUP(free_root_ptr) struct wr_cgroup_root *root = wr_calloc(1, sizeof(*root));
    if (!root)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cgroups");
    root->member_uid = member_uid;
    root->member_gid = member_gid;
    for (size_t i = 0; i < WR_ARRAY_SIZE(root->hierarchies); i++)
        root->hierarchies[i].fd = root->hierarchies[i].parent_fd = -1;
    if (!wr_strformat(root->directory, sizeof(root->directory), "warren-%s", instance))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "instance name");
    if (layout->has_v2)
        memcpy(root->own, layout->v2.own, sizeof(root->own));

    unsigned in_v2 = WR_CONTROLLERS_ALL;
    for (size_t i = 0; i < layout->v1_count; i++)
        in_v2 &= ~layout->v1[i].controllers;
    root->count = layout->v1_count + 1;
    int r = attach_v2(root, &root->hierarchies[layout->v1_count], layout, in_v2, err);
    for (size_t i = 0; r == 0 && i < layout->v1_count; i++)
        r = attach_v1(root, &root->hierarchies[i], &layout->v1[i], err);
    if (r < 0) {
        wr_cgroup_root_remove(root); /* only what is empty */
        return r;
    }
    root->kind = !layout->v1_count ? "v2" : layout->has_v2 ? "hybrid" : "v1";
    *ret = wr_steal_ptr(&root);
    return 0;
}

int wr_cgroup_root_open(const char *instance, uid_t member_uid, gid_t member_gid,
                        struct wr_cgroup_root **ret, struct wr_error *err)
{
    wr_auto_buf mounts = WR_BUF(WR_MOUNTINFO_MAX);
    wr_auto_buf own = WR_BUF(65536);
    wr_auto_free struct wr_cgroup_layout *layout = wr_calloc(1, sizeof(*layout));
    char *mounts_text = NULL;

    if (!layout)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cgroup detection");
    int r = wr_mountinfo_read(&mounts, &mounts_text);
    if (r == 0)
        r = wr_file_read(AT_FDCWD, "/proc/self/cgroup", &own);
    char *own_text = r < 0 ? NULL : wr_buf_cstr(&own);
    if (!own_text) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, r ? -r : ENOMEM,
                       "read /proc/self/mountinfo and /proc/self/cgroup: mount /proc");
    }
    r = wr_cgroup_layout_parse(mounts_text, own_text, layout, err);
    return r < 0 ? r : wr_cgroup_root_attach(layout, instance, member_uid, member_gid, ret, err);
}

struct wr_cgroup_root *wr_cgroup_root_free(struct wr_cgroup_root *root)
{
    for (size_t i = 0; root && i < WR_ARRAY_SIZE(root->hierarchies); i++) {
        wr_close(root->hierarchies[i].fd);
        wr_close(root->hierarchies[i].parent_fd);
    }
    free(root);
    return NULL;
}

void wr_cgroup_root_remove(struct wr_cgroup_root *root)
{
    /* Fails where a leaf is left, which is what the contract says. */
    for (size_t i = 0; i < root->count; i++)
        (void)unlinkat(root->hierarchies[i].parent_fd, root->directory, AT_REMOVEDIR);
}

const char *wr_cgroup_root_kind(const struct wr_cgroup_root *root)
{
    return root->kind;
}

static bool in_earlier(const struct wr_cgroup_root *root, size_t index, const char *name)
{
    for (size_t i = 0; i < index; i++) {
        if (faccessat(root->hierarchies[i].fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    return false;
}

int wr_cgroup_root_list(struct wr_cgroup_root *root, void (*fn)(const char *name, void *data),
                        void *data, struct wr_error *err)
{
    for (size_t i = 0; i < root->count; i++) {
        /* A new open file: the kept descriptor's read position is not ours to move. */
        int fd = open_dir(root->hierarchies[i].fd, ".");
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
            wr_close(fd);
            return wr_fail_errno(err, WR_E_INTERNAL, "list %.96s", root->hierarchies[i].label);
        }
        for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
            if (e->d_type == DT_DIR && wr_cgroup_name_valid(e->d_name) &&
                !in_earlier(root, i, e->d_name))
                fn(e->d_name, data);
        }
        closedir(dir);
    }
    return 0;
}
