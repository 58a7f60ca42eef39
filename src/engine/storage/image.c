#include "engine/storage/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/storage/loopdev.h"
#include "engine/storage/mountinfo.h"
#include "engine/storage/quota.h"
#include "sys/tool.h"

/* A new image has this name until it is complete, so that a crash cannot leave half of one. */
#define UNFINISHED WR_VOLUME_IMAGE ".new"

#define MKFS_TIMEOUT_MS 60000

#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOATIME)

/*
 * What is tried, in this order. nodatacow: writes over existing data need no new space, so that a
 * sandbox near its limit can still change its files, and they are faster; docs/internals/volume.md
 * has the numbers. discard gives deleted data back to the host's file system.
 */
static const struct flavour {
    const char *name;
    const char *fs_type;
    const char *mount_data;
    unsigned btrfs_enable; /* 0: project quotas */
    const char *package;
    const char *mkfs[9];
} flavours[] = {
    {
        .name = "btrfs with simple quotas",
        .fs_type = "btrfs",
        .mount_data = "discard=async,nodatacow",
        .btrfs_enable = WR_BTRFS_ENABLE_SIMPLE,
        .package = "btrfs-progs",
        .mkfs = {"mkfs.btrfs", "-q", "-m", "single", "-d", "single"},
    },
    {
        .name = "XFS",
        .fs_type = "xfs",
        .mount_data = "prjquota,discard",
        .package = "xfsprogs",
        /* The sector size of the loop device: XFS refuses to mount smaller ones than its device's.
         */
        .mkfs = {"mkfs.xfs", "-q", "-m", "reflink=1", "-s", "size=4096"},
    },
    {
        .name = "btrfs with qgroups",
        .fs_type = "btrfs",
        .mount_data = "discard=async,nodatacow",
        .btrfs_enable = WR_BTRFS_ENABLE_QGROUPS,
        .package = "btrfs-progs",
        .mkfs = {"mkfs.btrfs", "-q", "-m", "single", "-d", "single"},
    },
};

uint64_t wr_image_size(uint64_t wanted, uint64_t free_bytes)
{
    uint64_t size = wanted ? wanted : WR_MIN(free_bytes / 4 * 3, WR_VOLUME_MAX_BYTES);
    size -= size % WR_MIB;
    return size < WR_VOLUME_MIN_BYTES ? 0 : size;
}

int wr_image_directory(int data_fd, int *ret_fd, uint64_t *ret_mount_id, struct wr_error *err)
{
    if (mkdirat(data_fd, WR_VOLUME_DIRECTORY, 0700) < 0 && errno != EEXIST)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory " WR_VOLUME_DIRECTORY);
    wr_auto_close int fd =
        openat(data_fd, WR_VOLUME_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statx stx;
    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "open directory " WR_VOLUME_DIRECTORY);
    bool top = stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
    *ret_mount_id = top ? stx.stx_mnt_id : 0;
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

/* Whether the mount with this id is of a loop device over the file `name` of the data directory. 1,
 * 0 or -errno. */
static int mount_is_of(uint64_t mount_id, int data_fd, const char *name)
{
    struct stat image;
    if (fstatat(data_fd, name, &image, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    wr_auto_buf text = WR_BUF(WR_MOUNTINFO_MAX);
    char *cursor = NULL;
    int r = wr_mountinfo_read(&text, &cursor);
    if (r < 0)
        return r;
    struct wr_mountinfo m;
    while (wr_mountinfo_next(&cursor, &m)) {
        if (m.id == mount_id)
            return wr_loop_backs(m.source, &image);
    }
    return 0;
}

static int unmount(const char *data_dir, struct wr_error *err)
{
    char path[PATH_MAX];
    if (!wr_strformat(path, sizeof(path), "%s/" WR_VOLUME_DIRECTORY, data_dir))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "data directory");
    if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
        return 0;
    if (errno == EBUSY) {
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                             "unmount %.120s: stop the sandboxes and close what uses it", path);
    }
    return wr_fail_errno(err, WR_E_INTERNAL, "unmount %.120s", path);
}

int wr_image_close(const char *data_dir, struct wr_error *err)
{
    return unmount(data_dir, err);
}

/* Attaches the image and mounts it; the loop device then belongs to the mount. */
static int mount_image(int data_fd, const char *data_dir, int image_fd,
                       const struct flavour *flavour, int *ret_fd, struct wr_error *err)
{
    char device[WR_LOOP_PATH_MAX], path[PATH_MAX];
    wr_auto_close int loop_fd = -1;
    uint64_t mount_id = 0;
    if (!wr_strformat(path, sizeof(path), "%s/" WR_VOLUME_DIRECTORY, data_dir))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "data directory");
    int r = wr_loop_open(image_fd, device, &loop_fd, err);
    if (r < 0)
        return r;
    if (mount(device, path, flavour->fs_type, MOUNT_FLAGS, flavour->mount_data) < 0) {
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                             "mount %s with %s (the kernel log says why)", flavour->fs_type,
                             flavour->mount_data);
    }
    r = wr_image_directory(data_fd, ret_fd, &mount_id, err);
    if (r == 0 && fchmod(*ret_fd, 0700) < 0)
        r = wr_fail_errno(err, WR_E_INTERNAL, "chmod " WR_VOLUME_DIRECTORY);
    return r;
}

static int open_quota(int fd, const struct flavour *flavour, unsigned btrfs_enable,
                      struct wr_quota **ret, struct wr_error *err)
{
    if (flavour->btrfs_enable)
        return wr_quota_btrfs_open(fd, btrfs_enable, ret, err);
    return wr_quota_project_open(fd, "xfs-project", ret, err);
}

/* Keeps the last line that a program printed. */
struct last_line {
    char text[121];
};

static void keep_line(const char *line, void *data)
{
    struct last_line *last = data;
    (void)snprintf(last->text, sizeof(last->text), "%s", line);
}

static int run_tool(const char *const *argv, const char *package, struct wr_error *err)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    struct last_line last = {"it said nothing"};
    const struct wr_tool tool = {.argv = argv,
                                 .env = env,
                                 .cancel_fd = -1,
                                 .timeout_ms = MKFS_TIMEOUT_MS,
                                 .line = keep_line,
                                 .data = &last};
    int status = 0;
    int rc = wr_tool_run(&tool, &status);
    if (rc == -ENOENT) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%s is not installed (package %s)",
                       argv[0], package);
    }
    if (rc == -ETIMEDOUT) {
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s took longer than %d s", argv[0],
                       MKFS_TIMEOUT_MS / 1000);
    }
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "run %s", argv[0]);
    if (status != 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "%s failed: %s", argv[0], last.text);
    return 0;
}

static int run_mkfs(const struct flavour *flavour, const char *data_dir, struct wr_error *err)
{
    const char *argv[WR_ARRAY_SIZE(flavour->mkfs) + 2] = {NULL};
    char path[PATH_MAX];
    size_t argc = 0;
    if (!wr_strformat(path, sizeof(path), "%s/" UNFINISHED, data_dir))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "data directory");
    for (; argc < WR_ARRAY_SIZE(flavour->mkfs) && flavour->mkfs[argc]; argc++)
        argv[argc] = flavour->mkfs[argc];
    argv[argc] = path;
    return run_tool(argv, flavour->package, err);
}

/* Makes it durable under its own name. */
static int finish_image(int data_fd, int volume_fd, struct wr_error *err)
{
    if (syncfs(volume_fd) < 0 || renameat(data_fd, UNFINISHED, data_fd, WR_VOLUME_IMAGE) < 0 ||
        fsync(data_fd) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "finish " WR_VOLUME_IMAGE);
    return 0;
}

struct opened {
    int fd;
    struct wr_quota *quota;
};

/* Makes the image in one flavour. Leaves nothing on failure. */
static int make_flavour(int data_fd, const char *data_dir, uint64_t size,
                        const struct flavour *flavour, struct opened *ret, struct wr_error *err)
{
    struct wr_error ignored;

    wr_auto_close int image_fd =
        openat(data_fd, UNFINISHED, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (image_fd < 0 || ftruncate(image_fd, (off_t)size) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make " UNFINISHED);
    wr_auto_close int fd = -1;
    struct wr_quota *quota = NULL;
    int r = run_mkfs(flavour, data_dir, err);
    if (r == 0)
        r = mount_image(data_fd, data_dir, image_fd, flavour, &fd, err);
    if (r == 0)
        r = open_quota(fd, flavour, flavour->btrfs_enable, &quota, err);
    if (r == 0)
        r = finish_image(data_fd, fd, err);
    if (r < 0) {
        if (quota)
            quota->ops->free(quota);
        fd = wr_close(fd);
        int undo = unmount(data_dir, &ignored);
        if (undo == 0)
            (void)unlinkat(data_fd, UNFINISHED, 0);
        return r;
    }
    *ret = (struct opened){.fd = wr_steal_fd(&fd), .quota = quota};
    return 0;
}

static int make_image(int data_fd, const char *data_dir, uint64_t wanted, int *ret_fd,
                      struct wr_quota **ret_quota, struct wr_error *err)
{
    struct statvfs vfs;
    if (fstatvfs(data_fd, &vfs) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "free space of %.100s", data_dir);
    uint64_t size = wr_image_size(wanted, (uint64_t)vfs.f_bavail * vfs.f_frsize);
    if (!size) {
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the volume in %.100s needs at least %u MiB: free some space or set a "
                       "larger size",
                       data_dir, (unsigned)(WR_VOLUME_MIN_BYTES / WR_MIB));
    }
    if (unlinkat(data_fd, UNFINISHED, 0) < 0 && errno != ENOENT)
        return wr_fail_errno(err, WR_E_INTERNAL, "remove " UNFINISHED);

    char reasons[220] = "";
    for (size_t i = 0; i < WR_ARRAY_SIZE(flavours); i++) {
        struct opened opened = {.fd = -1};
        if (make_flavour(data_fd, data_dir, size, &flavours[i], &opened, err) == 0) {
            *ret_fd = opened.fd;
            *ret_quota = opened.quota;
            return 0;
        }
        size_t used = strlen(reasons);
        snprintf(reasons + used, sizeof(reasons) - used, "%s%s: %.56s", used ? "; " : "",
                 flavours[i].name, err->msg);
    }
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "no file system with limits: %s", reasons);
}

/* By the magic numbers of the super blocks. */
static const struct flavour *detect_flavour(int image_fd)
{
    char magic[8];
    if (pread(image_fd, magic, 8, 0x10040) == 8 && memcmp(magic, "_BHRfS_M", 8) == 0)
        return &flavours[0];
    if (pread(image_fd, magic, 4, 0) == 4 && memcmp(magic, "XFSB", 4) == 0)
        return &flavours[1];
    return NULL;
}

static int mount_existing(int data_fd, const char *data_dir, int image_fd, int *ret_fd,
                          struct wr_error *err)
{
    const struct flavour *flavour = detect_flavour(image_fd);
    if (!flavour) {
        return wr_fail(err, WR_E_DATA_LOSS, 0,
                       "%.120s/" WR_VOLUME_IMAGE " has no known file system: move it away, then a "
                       "new one is made",
                       data_dir);
    }
    wr_auto_close int fd = -1;
    int r = mount_image(data_fd, data_dir, image_fd, flavour, &fd, err);
    if (r == 0)
        *ret_fd = wr_steal_fd(&fd);
    return r;
}

int wr_image_open(int data_fd, const char *data_dir, uint64_t size_bytes, int *ret_fd,
                  struct wr_quota **ret_quota, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    uint64_t mount_id = 0;
    struct wr_quota *quota = NULL;
    int r = wr_image_directory(data_fd, &fd, &mount_id, err);
    if (r < 0)
        return r;
    if (mount_id && mount_is_of(mount_id, data_fd, UNFINISHED) == 1) {
        fd = wr_close(fd);
        r = unmount(data_dir, err);
        if (r == 0)
            r = wr_image_directory(data_fd, &fd, &mount_id, err);
        if (r < 0)
            return r;
    }
    wr_auto_close int image_fd = openat(data_fd, WR_VOLUME_IMAGE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (image_fd < 0 && errno != ENOENT)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "open " WR_VOLUME_IMAGE);
    if (mount_id && mount_is_of(mount_id, data_fd, WR_VOLUME_IMAGE) != 1) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "something else than " WR_VOLUME_IMAGE
                       " is mounted at %.100s/" WR_VOLUME_DIRECTORY ": unmount it",
                       data_dir);
    }
    if (image_fd < 0)
        return make_image(data_fd, data_dir, size_bytes, ret_fd, ret_quota, err);
    if (!mount_id) {
        fd = wr_close(fd);
        r = mount_existing(data_fd, data_dir, image_fd, &fd, err);
        if (r < 0)
            return r;
    }
    const struct flavour *flavour = detect_flavour(image_fd);
    r = open_quota(fd, flavour ? flavour : &flavours[0],
                   WR_BTRFS_ENABLE_SIMPLE | WR_BTRFS_ENABLE_QGROUPS, &quota, err);
    if (r < 0)
        return r;
    *ret_fd = wr_steal_fd(&fd);
    *ret_quota = quota;
    return 0;
}
