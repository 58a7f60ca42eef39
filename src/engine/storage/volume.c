#include "engine/storage/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/storage/image.h"
#include "engine/storage/quota.h"

#define UPPERS          "sandboxes"
#define NAME_MAX_BYTES  63
/* Below this a btrfs has no room for the reservations of a single operation. */
#define MIN_LIMIT_BYTES WR_MIB
/* The file systems, and the host's below the image, behave badly at the very end. */
#define RESERVE_BYTES   (64 * WR_MIB)

#define XFS_MAGIC 0x58465342

struct wr_volume {
    int data_fd; /* directory that holds the image; -1 with an operator's directory */
    int fd;      /* the volume's top directory */
    int uppers_fd;
    struct wr_quota *quota; /* owned; borrows fd */
};

struct wr_volume *wr_volume_free(struct wr_volume *volume)
{
    if (!volume)
        return NULL;
    if (volume->quota)
        volume->quota->ops->free(volume->quota);
    wr_close(volume->uppers_fd);
    wr_close(volume->fd);
    wr_close(volume->data_fd);
    free(volume);
    return NULL;
}

static void free_volume_ptr(struct wr_volume **volume)
{
    *volume = wr_volume_free(*volume);
}

/* The operator's directory appears at <data>/volume too, so that nosuid and nodev hold whatever its
 * file system is mounted with. */
static int bind_directory(const struct wr_volume_opts *opts, int *ret_fd, struct wr_error *err)
{
    char target[PATH_MAX];
    struct stat theirs, ours;
    uint64_t mount_id = 0;
    wr_auto_close int fd = -1;
    int r = wr_image_directory(opts->data_dirfd, &fd, &mount_id, err);
    if (r < 0)
        return r;
    if (stat(opts->path, &theirs) < 0 || fstat(fd, &ours) < 0) {
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "the volume's directory %.120s",
                             opts->path);
    }
    bool same = theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
    if (mount_id && !same) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "something else than %.80s is mounted at %.80s/" WR_VOLUME_DIRECTORY
                       ": unmount it",
                       opts->path, opts->data_dir);
    }
    if (!mount_id) {
        fd = wr_close(fd);
        if (!wr_strformat(target, sizeof(target), "%s/" WR_VOLUME_DIRECTORY, opts->data_dir))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "data directory");
        if (mount(opts->path, target, NULL, MS_BIND, NULL) < 0) {
            return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "bind %.100s to %.100s", opts->path,
                                 target);
        }
        if (mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOATIME,
                  NULL) < 0) {
            int cause = errno;
            (void)umount2(target, UMOUNT_NOFOLLOW);
            return wr_fail(err, WR_E_FAILED_PRECONDITION, cause, "remount %.120s nosuid,nodev",
                           target);
        }
        r = wr_image_directory(opts->data_dirfd, &fd, &mount_id, err);
        if (r < 0)
            return r;
    }
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

static int open_directory(const struct wr_volume_opts *opts, struct wr_volume *volume,
                          struct wr_error *err)
{
    struct statfs fs;
    int r = bind_directory(opts, &volume->fd, err);
    if (r < 0)
        return r;
    if (fstatfs(volume->fd, &fs) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "file system of %.120s", opts->path);
    if (fs.f_type == BTRFS_SUPER_MAGIC) {
        r = wr_quota_btrfs_open(volume->fd, WR_BTRFS_ENABLE_NOTHING, &volume->quota, err);
    } else if (fs.f_type == XFS_MAGIC) {
        r = wr_quota_project_open(volume->fd, "xfs-project", &volume->quota, err);
    } else if (fs.f_type == EXT4_SUPER_MAGIC) {
        r = wr_quota_project_open(volume->fd, "ext4-project", &volume->quota, err);
    } else {
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                    "its file system has no limits per directory: use btrfs, XFS or ext4");
    }
    if (r < 0) {
        struct wr_error ignored;
        volume->fd = wr_close(volume->fd);
        (void)!wr_volume_unmount(opts->data_dir, &ignored); /* `err` is what counts */
        return wr_wrap(err, "volume %.60s", opts->path);
    }
    return 0;
}

int wr_volume_open(const struct wr_volume_opts *opts, struct wr_volume **ret, struct wr_error *err)
{
    WR_CLEANUP(free_volume_ptr) struct wr_volume *volume = wr_calloc(1, sizeof(*volume));
    if (!volume)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "volume");
    volume->data_fd = volume->fd = volume->uppers_fd = -1;
    int r = 0;
    if (opts->path) {
        r = open_directory(opts, volume, err);
    } else {
        volume->data_fd = fcntl(opts->data_dirfd, F_DUPFD_CLOEXEC, 3);
        if (volume->data_fd < 0)
            return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "volume");
        r = wr_image_open(opts->data_dirfd, opts->data_dir, opts->size_bytes, &volume->fd,
                          &volume->quota, err);
    }
    if (r < 0)
        return r;
    if (mkdirat(volume->fd, UPPERS, 0700) < 0 && errno != EEXIST)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory " UPPERS);
    volume->uppers_fd = openat(volume->fd, UPPERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* 0700 whatever it was: setuid files of a sandbox lie below it. */
    if (volume->uppers_fd < 0 || fchmod(volume->uppers_fd, 0700) < 0 ||
        fchown(volume->uppers_fd, 0, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open directory " UPPERS);
    *ret = wr_steal_ptr(&volume);
    return 0;
}

int wr_volume_unmount(const char *data_dir, struct wr_error *err)
{
    return wr_image_close(data_dir, err);
}

const char *wr_volume_kind(const struct wr_volume *volume)
{
    return volume->quota->kind;
}

int wr_volume_space(const struct wr_volume *volume, uint64_t *ret_total_bytes,
                    uint64_t *ret_free_bytes, struct wr_error *err)
{
    struct statvfs vfs, host;
    if (fstatvfs(volume->fd, &vfs) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "free space of the volume");
    uint64_t total = (uint64_t)vfs.f_blocks * vfs.f_frsize;
    uint64_t available = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    /* A sparse file promises more than the host's file system may have left. */
    if (volume->data_fd >= 0 && fstatvfs(volume->data_fd, &host) == 0)
        available = WR_MIN(available, (uint64_t)host.f_bavail * host.f_frsize);
    *ret_total_bytes = total;
    *ret_free_bytes = available;
    return 0;
}

int wr_volume_fd(const struct wr_volume *volume)
{
    return volume->fd;
}

struct wr_quota *wr_volume_quota(const struct wr_volume *volume)
{
    return volume->quota;
}

void wr_volume_fds(const struct wr_volume *volume, int ret[static WR_VOLUME_FDS])
{
    ret[0] = volume->data_fd;
    ret[1] = volume->fd;
    ret[2] = volume->uppers_fd;
    ret[3] = volume->quota->own_fd;
}

static int check_name(const char *name, struct wr_error *err)
{
    bool ok = wr_str_only(name, "abcdefghijklmnopqrstuvwxyz0123456789._-", 1, NAME_MAX_BYTES) &&
              name[0] != '.';
    return ok ? 0
              : wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                        "name '%.70s' in the volume: use 1 to %d of a-z, 0-9, '.', '_', '-'", name,
                        NAME_MAX_BYTES);
}

static int check_limit(uint64_t max_bytes, struct wr_error *err)
{
    /* XFS counts in signed 64-bit bytes. */
    if (max_bytes < MIN_LIMIT_BYTES || max_bytes > INT64_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "disk limit: at least 1 MiB is needed");
    return 0;
}

/* With exactly 0755, whatever the umask is. */
static int make_directory(int fd, const char *name)
{
    return mkdirat(fd, name, 0755) < 0 || fchmodat(fd, name, 0755, 0) < 0 ? -errno : 0;
}

int wr_volume_check_room(const struct wr_volume *volume, struct wr_error *err)
{
    struct wr_quota *quota = volume->quota;
    uint64_t total = 0, available = 0;
    if (quota->ops->reclaim)
        quota->ops->reclaim(quota);
    int r = wr_volume_space(volume, &total, &available, err);
    if (r < 0 || available >= RESERVE_BYTES)
        return r;
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                   "the volume is full (%u of %u MiB free): remove sandboxes or enlarge it",
                   (unsigned)(available / WR_MIB), (unsigned)(total / WR_MIB));
}

int wr_volume_explain(const struct wr_volume *volume, struct wr_error *err)
{
    uint64_t total = 0, available = 0;
    struct wr_error full;
    if (err->os_errno != ENOSPC && err->os_errno != EDQUOT)
        return -err->code;
    err->code = WR_E_RESOURCE_EXHAUSTED;
    if (wr_volume_check_room(volume, &full) == -WR_E_RESOURCE_EXHAUSTED)
        return wr_wrap(err, "%s", full.msg);
    /* btrfs may have no room for metadata where there is some for data. The kernel uses the same
     * number for other things. */
    if (err->os_errno == ENOSPC && wr_volume_space(volume, &total, &available, &full) == 0)
        return wr_wrap(err,
                       "something is full, perhaps the volume (%u of %u MiB free): remove "
                       "sandboxes or enlarge it",
                       (unsigned)(available / WR_MIB), (unsigned)(total / WR_MIB));
    return -err->code;
}

static int check_new(struct wr_volume *volume, const char *name, uint64_t max_bytes,
                     struct wr_error *err)
{
    int r = check_name(name, err);
    if (r == 0)
        r = check_limit(max_bytes, err);
    return r < 0 ? r : wr_volume_check_room(volume, err);
}

static int undo_new(struct wr_volume *volume, const char *name, int cause, struct wr_error *err)
{
    struct wr_error undo_err;
    int undo = volume->quota->ops->remove(volume->quota, volume->uppers_fd, name, &undo_err);
    return wr_fail(err, wr_code_from_errno(-cause), -cause, "make the directories of %s%s", name,
                   undo < 0 ? " (and what was made could not be removed)" : "");
}

int wr_volume_upper_new(struct wr_volume *volume, const char *name, uint64_t max_bytes,
                        int *ret_dirfd, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    struct wr_quota *quota = volume->quota;
    int r = check_new(volume, name, max_bytes, err);
    if (r == 0)
        r = quota->ops->make(quota, volume->uppers_fd, name, max_bytes, &fd, err);
    if (r < 0)
        return r;
    r = make_directory(fd, "u");
    if (r == 0)
        r = make_directory(fd, "w");
    if (r < 0)
        return undo_new(volume, name, r, err);
    *ret_dirfd = wr_steal_fd(&fd);
    return 0;
}

int wr_volume_upper_clone(struct wr_volume *volume, int files_fd, const char *name,
                          uint64_t max_bytes, int *ret_dirfd, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    struct wr_quota *quota = volume->quota;
    const struct wr_quota_clone clone = {.src_fd = files_fd,
                                         .keep = "u",
                                         .parent_fd = volume->uppers_fd,
                                         .name = name,
                                         .max_bytes = max_bytes};
    int r = check_new(volume, name, max_bytes, err);
    if (r == 0)
        r = quota->ops->clone(quota, &clone, &fd, err);
    if (r < 0)
        return r;
    r = make_directory(fd, "w");
    if (r < 0)
        return undo_new(volume, name, r, err);
    *ret_dirfd = wr_steal_fd(&fd);
    return 0;
}

int wr_volume_upper_open(struct wr_volume *volume, const char *name, int *ret_dirfd,
                         struct wr_error *err)
{
    int r = check_name(name, err);
    if (r < 0)
        return r;
    int fd = openat(volume->uppers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open " UPPERS "/%s", name);
    *ret_dirfd = fd;
    return 0;
}

int wr_volume_upper_set_limit(struct wr_volume *volume, int upper_dirfd, uint64_t max_bytes,
                              struct wr_error *err)
{
    int r = check_limit(max_bytes, err);
    return r < 0 ? r : volume->quota->ops->set_limit(volume->quota, upper_dirfd, max_bytes, err);
}

int wr_volume_upper_usage(struct wr_volume *volume, int upper_dirfd, uint64_t *ret_used_bytes,
                          uint64_t *ret_max_bytes, struct wr_error *err)
{
    return volume->quota->ops->usage(volume->quota, upper_dirfd, ret_used_bytes, ret_max_bytes,
                                     err);
}

int wr_volume_upper_remove(struct wr_volume *volume, const char *name, struct wr_error *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : volume->quota->ops->remove(volume->quota, volume->uppers_fd, name, err);
}

bool wr_volume_collect(struct wr_volume *volume)
{
    return volume->quota->ops->collect(volume->quota);
}

int wr_volume_upper_list(struct wr_volume *volume, void (*fn)(const char *name, void *data),
                         void *data, struct wr_error *err)
{
    struct wr_error ignored;
    int fd = openat(volume->uppers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        wr_close(fd);
        return wr_fail_errno(err, WR_E_INTERNAL, "list " UPPERS);
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (check_name(e->d_name, &ignored) == 0)
            fn(e->d_name, data);
    }
    closedir(dir);
    return 0;
}
