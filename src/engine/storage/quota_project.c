/*
 * One project id per upper, on the directory itself and inherited by everything below it; the
 * limits are hard limits of that project. Only the host can change project ids: the kernel refuses
 * it in user namespaces.
 *
 * A tree is removed in two parts: it moves to trash/ at once, and collect() removes it in bounded
 * steps. Its charge goes with its files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/storage/quota.h"
#include "engine/storage/tree_copy.h"

/* Away from the small numbers that people put into /etc/projid. */
#define PROJECT_FIRST    0x40000000U
#define PROJECT_LAST     0x7fffffffU
#define PROJECT_ATTEMPTS 65536 /* more than sandboxes that one host holds */

#define BYTES_PER_INODE 8192
#define MIN_INODES      1024
#define BASIC_BLOCK     512
#define COLLECT_STEPS   256
/* Of a copy: its files may be in more pieces than those that it is made of. */
#define COPY_MORE_BYTES (16 * WR_MIB)

struct project_quota {
    struct wr_quota base; /* own_fd: trash/ */
    int volume_fd;        /* borrowed */
    uint32_t next;        /* where the search for a free id goes on */
};

static struct project_quota *self(struct wr_quota *quota)
{
    return wr_container_of(quota, struct project_quota, base);
}

/* glibc has no wrapper; the call spares us the path of the block device (kernel 5.14). */
static int quota_call(int fd, unsigned command, uint32_t id, void *data)
{
    return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data) < 0 ? -errno : 0;
}

void wr_quota_project_limits(uint64_t max_bytes, uint64_t *ret_blocks, uint64_t *ret_inodes)
{
    *ret_blocks = max_bytes / BASIC_BLOCK + (max_bytes % BASIC_BLOCK != 0);
    *ret_inodes = WR_MAX(max_bytes / BYTES_PER_INODE, (uint64_t)MIN_INODES);
}

static void project_free(struct wr_quota *quota)
{
    wr_close(quota->own_fd);
    free(self(quota));
}

/* 0 bytes: no limit, which lets the file system forget the id. */
static int set_project_limit(const struct project_quota *q, uint32_t id, uint64_t max_bytes)
{
    struct fs_disk_quota limits = {
        .d_version = FS_DQUOT_VERSION,
        .d_flags = FS_PROJ_QUOTA,
        .d_fieldmask = FS_DQ_BSOFT | FS_DQ_BHARD | FS_DQ_ISOFT | FS_DQ_IHARD,
        .d_id = id,
    };
    uint64_t blocks = 0, inodes = 0;
    if (max_bytes)
        wr_quota_project_limits(max_bytes, &blocks, &inodes);
    limits.d_blk_hardlimit = blocks;
    limits.d_ino_hardlimit = inodes;
    return quota_call(q->volume_fd, Q_XSETQLIM, id, &limits);
}

/* An upper holds at least three inodes, so an id without usage is free. */
static int allocate_project(struct project_quota *q, uint32_t *ret)
{
    for (int i = 0; i < PROJECT_ATTEMPTS; i++) {
        struct fs_disk_quota usage = {0};
        uint32_t id = q->next;
        q->next = id == PROJECT_LAST ? PROJECT_FIRST : id + 1;
        int r = quota_call(q->volume_fd, Q_XGETQUOTA, id, &usage);
        if (r == -ENOENT || (r == 0 && usage.d_bcount == 0 && usage.d_icount == 0)) {
            *ret = id;
            return 0;
        }
        if (r < 0)
            return r;
    }
    return -ENOSPC;
}

static int get_project(int fd, uint32_t *ret)
{
    struct fsxattr attr;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
        return -errno;
    *ret = attr.fsx_projid;
    return 0;
}

static int set_project(int fd, uint32_t id)
{
    struct fsxattr attr;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
        return -errno;
    attr.fsx_projid = id;
    attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    return ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0 ? -errno : 0;
}

/* Jobs of the engine make uppers too (job.h): nobody else may take an id between the moment that it
 * is found and the moment that it has an inode. Held for a moment. The lock, or -errno. */
static int lock_projects(const struct project_quota *q)
{
    wr_auto_close int fd = openat(q->base.own_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;
    while (r == 0 && flock(fd, LOCK_EX) < 0)
        r = errno == EINTR ? 0 : -errno;
    return r < 0 ? r : wr_steal_fd(&fd);
}

static int project_make(struct wr_quota *quota, int parent_fd, const char *name, uint64_t max_bytes,
                        int *ret_fd, struct wr_error *err)
{
    struct project_quota *q = self(quota);
    uint32_t id = 0;
    wr_auto_close int lock = lock_projects(q);
    int r = lock < 0 ? lock : allocate_project(q, &id);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "find a free project id");
    if (mkdirat(parent_fd, name, 0755) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory %s", name);
    wr_auto_close int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    r = fd < 0 ? -errno : set_project(fd, id);
    if (r == 0)
        r = set_project_limit(q, id, max_bytes);
    if (r < 0) {
        (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
        return wr_fail(err, wr_code_from_errno(-r), -r, "limit directory %s", name);
    }
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

static int project_clone(struct wr_quota *quota, const struct wr_quota_clone *clone, int *ret_fd,
                         struct wr_error *err)
{
    wr_auto_close int fd = -1;
    struct wr_error undo_err;
    int r = quota->ops->make(quota, clone->parent_fd, clone->name,
                             clone->max_bytes + COPY_MORE_BYTES, &fd, err);
    if (r < 0)
        return r;
    r = wr_tree_copy(clone->src_fd, fd, clone->keep);
    if (r < 0) {
        fd = wr_close(fd);
        int undo = quota->ops->remove(quota, clone->parent_fd, clone->name, &undo_err);
        return wr_fail(err, r == -ENOENT ? WR_E_DATA_LOSS : wr_code_from_errno(-r), -r,
                       "copy %s to %s%s", clone->keep, clone->name,
                       undo < 0 ? " (and what was copied could not be removed)" : "");
    }
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

static int project_set_limit(struct wr_quota *quota, int fd, uint64_t max_bytes,
                             struct wr_error *err)
{
    uint32_t id = 0;
    int r = get_project(fd, &id);
    if (r == 0)
        r = id >= PROJECT_FIRST ? set_project_limit(self(quota), id, max_bytes) : -EINVAL;
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "limit project %u", id) : 0;
}

static int project_usage(struct wr_quota *quota, int fd, uint64_t *ret_used_bytes,
                         uint64_t *ret_max_bytes, struct wr_error *err)
{
    struct fs_disk_quota usage = {0};
    uint32_t id = 0;
    int r = get_project(fd, &id);
    if (r == 0)
        r = quota_call(self(quota)->volume_fd, Q_XGETQUOTA, id, &usage);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "usage of project %u", id);
    *ret_used_bytes = usage.d_bcount * BASIC_BLOCK;
    *ret_max_bytes = usage.d_blk_hardlimit * BASIC_BLOCK;
    return 0;
}

static int move_to_trash(int parent_fd, const char *name, int trash_fd)
{
    /* Not its own name, which in a flattened tree is the sandbox's choice. */
    char unique[WR_ID_LEN + 1];
    wr_random_id(unique, WR_ID_LEN);
    return renameat(parent_fd, name, trash_fd, unique) < 0 ? -errno : 0;
}

static int project_remove(struct wr_quota *quota, int parent_fd, const char *name,
                          struct wr_error *err)
{
    struct project_quota *q = self(quota);
    uint32_t id = 0;
    wr_auto_close int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : get_project(fd, &id);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = move_to_trash(parent_fd, name, q->base.own_fd);
    if (r == 0 && id >= PROJECT_FIRST && id <= PROJECT_LAST)
        r = set_project_limit(q, id, 0);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "remove directory %s", name) : 0;
}

static bool is_dot(const char *name)
{
    return wr_streq(name, ".") || wr_streq(name, "..");
}

/*
 * Removes the entries of one tree at the top of the trash. Directories inside it that are not empty
 * move to the top: the depth, which a sandbox chose, then costs neither stack nor descriptors.
 * Takes steps off *left; true when something moved.
 */
static bool empty_tree(int trash_fd, const char *tree, unsigned *left)
{
    int fd = openat(trash_fd, tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        wr_close(fd);
        return false;
    }
    bool moved = false;
    for (struct dirent *e = readdir(dir); e && *left > 0; e = readdir(dir)) {
        if (is_dot(e->d_name))
            continue;
        --*left;
        if (unlinkat(fd, e->d_name, 0) == 0 || errno != EISDIR)
            continue;
        if (unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0)
            continue;
        if (move_to_trash(fd, e->d_name, trash_fd) < 0)
            break;
        moved = true;
    }
    closedir(dir);
    return moved;
}

bool wr_quota_empty_trash(int trash_fd, unsigned steps)
{
    int fd = openat(trash_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool more = false;
    if (!dir) {
        wr_close(fd);
        return false;
    }
    unsigned left = steps;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (is_dot(e->d_name))
            continue;
        if (left == 0) {
            more = true;
            break;
        }
        /* What moved up may lie behind the position of readdir(). */
        more |= empty_tree(trash_fd, e->d_name, &left);
        if (left > 0)
            left--;
        /* Files do not belong here, but would otherwise stay for ever. What else fails is an I/O
         * error, which stays for the next engine. */
        if (unlinkat(trash_fd, e->d_name, AT_REMOVEDIR) == 0)
            continue;
        if (errno == ENOTDIR) {
            (void)unlinkat(trash_fd, e->d_name, 0);
        } else if (left == 0) {
            more = true;
        }
    }
    closedir(dir);
    return more;
}

static bool project_collect(struct wr_quota *quota)
{
    return wr_quota_empty_trash(quota->own_fd, COLLECT_STEPS);
}

static const struct wr_quota_ops project_ops = {
    .free = project_free,
    .make = project_make,
    .clone = project_clone,
    .set_limit = project_set_limit,
    .usage = project_usage,
    .remove = project_remove,
    .collect = project_collect,
};

int wr_quota_project_open(int volume_fd, const char *kind, struct wr_quota **ret,
                          struct wr_error *err)
{
    struct fs_quota_statv state = {.qs_version = FS_QSTATV_VERSION1};
    int r = quota_call(volume_fd, Q_XGETQSTATV, 0, &state);
    if (r < 0 || !(state.qs_flags & FS_QUOTA_PDQ_ENFD)) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -r,
                       "project quotas are off: mount the file system with 'prjquota' (ext4: after "
                       "'tune2fs -O project,quota'; the kernel needs quota support)");
    }
    if (mkdirat(volume_fd, "trash", 0700) < 0 && errno != EEXIST)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory trash");
    wr_auto_close int trash_fd =
        openat(volume_fd, "trash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (trash_fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open directory trash");
    struct project_quota *q = wr_calloc(1, sizeof(*q));
    if (!q)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "project quota");
    q->base.ops = &project_ops;
    q->base.kind = kind;
    q->volume_fd = volume_fd;
    q->base.own_fd = wr_steal_fd(&trash_fd);
    q->next = PROJECT_FIRST;
    *ret = &q->base;
    return 0;
}
