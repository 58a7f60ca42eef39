/*
 * One subvolume per upper; the limit is that of its own qgroup "0/<subvolume id>", on referenced
 * bytes including metadata.
 *
 * Simple quotas (kernel 6.7) charge an extent to the subvolume that wrote it and cost next to
 * nothing; classic qgroups, the fallback, resolve back references at each commit. The ids of
 * destroyed subvolumes keep their qgroup until it is removed: newer kernels do that themselves when
 * the subvolume's blocks are gone, collect() does it for the others.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"
#include "engine/storage/quota.h"

/* linux/btrfs.h of Debian 12 (6.1) lacks it. */
#define QUOTA_CTL_ENABLE_SIMPLE 4U
#define COLLECT_STEPS           64
#define LOW_SHARE               8 /* less than that part of the volume is free */
#define SIMPLE                  "btrfs-squota"

struct btrfs_quota {
    struct wr_quota base; /* own_fd: /sys/fs/btrfs/<fsid>/qgroups */
    int volume_fd;        /* borrowed */
    bool stale;           /* there may be qgroups without a subvolume */
    DIR *scan;            /* the pass over the qgroups that collect() is in, or NULL */
};

static struct btrfs_quota *self(struct wr_quota *quota)
{
    return wr_container_of(quota, struct btrfs_quota, base);
}

static void btrfs_free(struct wr_quota *quota)
{
    struct btrfs_quota *q = self(quota);
    if (q->scan)
        closedir(q->scan);
    wr_close(q->base.own_fd);
    free(q);
}

/* Opens the sysfs directory; -ENOENT when quotas are off. */
static int open_sysfs(int volume_fd)
{
    struct btrfs_ioctl_fs_info_args info = {0};
    char hex[2 * BTRFS_FSID_SIZE + 1], path[96];
    if (ioctl(volume_fd, BTRFS_IOC_FS_INFO, &info) < 0)
        return -errno;
    wr_hex_encode(info.fsid, sizeof(info.fsid), hex);
    snprintf(path, sizeof(path), "/sys/fs/btrfs/%.8s-%.4s-%.4s-%.4s-%.12s/qgroups", hex, hex + 8,
             hex + 12, hex + 16, hex + 20);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int switch_on(int volume_fd, unsigned enable, struct wr_error *err)
{
    struct btrfs_ioctl_quota_ctl_args simple = {.cmd = QUOTA_CTL_ENABLE_SIMPLE};
    struct btrfs_ioctl_quota_ctl_args classic = {.cmd = BTRFS_QUOTA_CTL_ENABLE};
    if (!enable) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "this btrfs has no quotas: run 'btrfs quota enable --simple <directory>' "
                       "(without --simple on kernels before 6.7)");
    }
    if ((enable & WR_BTRFS_ENABLE_SIMPLE) && ioctl(volume_fd, BTRFS_IOC_QUOTA_CTL, &simple) == 0)
        return 0;
    if ((enable & WR_BTRFS_ENABLE_QGROUPS) && ioctl(volume_fd, BTRFS_IOC_QUOTA_CTL, &classic) == 0)
        return 0;
    return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "enable %s",
                         enable & WR_BTRFS_ENABLE_QGROUPS ? "qgroups" : "simple quotas");
}

static const char *read_kind(int sysfs_fd)
{
    char mode[16];
    bool simple =
        wr_file_read_line(sysfs_fd, "mode", mode, sizeof(mode)) >= 0 && wr_streq(mode, "squota");
    return simple ? SIMPLE : "btrfs-qgroup";
}

/* The subvolume in which fd is. 0 or -errno. */
static int subvolume_id(int fd, uint64_t *ret)
{
    struct btrfs_ioctl_ino_lookup_args args = {.objectid = BTRFS_FIRST_FREE_OBJECTID};
    if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, &args) < 0)
        return -errno;
    *ret = args.treeid;
    return 0;
}

static int limit(int fd, uint64_t max_bytes)
{
    /* qgroupid 0: that of the subvolume of fd. */
    struct btrfs_ioctl_qgroup_limit_args args = {
        .lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = max_bytes},
    };
    return ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
}

/* -EINVAL for names that do not fit. */
static int subvolume_ioctl(int parent_fd, unsigned long request, const char *name)
{
    struct btrfs_ioctl_vol_args args = {0};
    if (!wr_strcopy(args.name, sizeof(args.name), name))
        return -EINVAL;
    return ioctl(parent_fd, request, &args) < 0 ? -errno : 0;
}

/* Only the engine and overlayfs make entries there: a few, of which one is large at most. */
static int keep_only(int fd, const char *keep)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    int r = 0;
    bool found = false;
    if (!dir) {
        wr_close(copy);
        return -errno;
    }
    for (const struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir)) {
        if (wr_streq(e->d_name, keep))
            found = true;
        else if (!wr_streq(e->d_name, ".") && !wr_streq(e->d_name, ".."))
            r = wr_remove_tree(fd, e->d_name);
    }
    closedir(dir);
    return r < 0 || found ? r : -ENOENT;
}

/*
 * Opens what was made, limited; removes it again on failure. `keep`: NULL for all that is in it.
 * The rest goes before the limit comes, because even a removal needs room.
 */
static int finish_make(struct wr_quota *quota, const struct wr_quota_clone *made, int *ret_fd,
                       struct wr_error *err)
{
    wr_auto_close int fd =
        openat(made->parent_fd, made->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;
    if (r == 0 && made->keep)
        r = keep_only(fd, made->keep);
    enum wr_code code = r == -ENOENT ? WR_E_DATA_LOSS : wr_code_from_errno(-r);
    if (r == 0) {
        r = limit(fd, made->max_bytes);
        code = wr_code_from_errno(-r);
    }
    if (r < 0) {
        struct wr_error undo_err;
        fd = wr_close(fd);
        int undo = quota->ops->remove(quota, made->parent_fd, made->name, &undo_err);
        return wr_fail(err, code, -r, "limit subvolume %s%s", made->name,
                       undo < 0 ? " (and it could not be removed)" : "");
    }
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

static int btrfs_make(struct wr_quota *quota, int parent_fd, const char *name, uint64_t max_bytes,
                      int *ret_fd, struct wr_error *err)
{
    const struct wr_quota_clone made = {
        .src_fd = -1, .parent_fd = parent_fd, .name = name, .max_bytes = max_bytes};
    int r = subvolume_ioctl(parent_fd, BTRFS_IOC_SUBVOL_CREATE, name);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "make subvolume %s", name);
    return finish_make(quota, &made, ret_fd, err);
}

/* The kernel writes what is still only in memory of the original, then copies one block. */
static int btrfs_clone(struct wr_quota *quota, const struct wr_quota_clone *clone, int *ret_fd,
                       struct wr_error *err)
{
    struct btrfs_ioctl_vol_args_v2 args = {.fd = clone->src_fd};
    if (!wr_strcopy(args.name, sizeof(args.name), clone->name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "clone a subvolume");
    if (ioctl(clone->parent_fd, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "clone a subvolume to %s",
                             clone->name);
    return finish_make(quota, clone, ret_fd, err);
}

static int btrfs_set_limit(struct wr_quota *quota, int fd, uint64_t max_bytes, struct wr_error *err)
{
    (void)quota;
    int r = limit(fd, max_bytes);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "limit subvolume") : 0;
}

static int read_number(int dirfd, uint64_t id, const char *file, uint64_t *ret)
{
    char path[64], text[32];
    snprintf(path, sizeof(path), "0_%" PRIu64 "/%s", id, file);
    ssize_t r = wr_file_read_line(dirfd, path, text, sizeof(text));
    return r < 0 ? (int)r : wr_parse_u64(text, 0, UINT64_MAX, ret);
}

/* sysfs shows the numbers in memory, the tree only those of the last commit. What is written but
 * not yet allocated is reserved. */
static int btrfs_usage(struct wr_quota *quota, int fd, uint64_t *ret_used_bytes,
                       uint64_t *ret_max_bytes, struct wr_error *err)
{
    struct btrfs_quota *q = self(quota);
    uint64_t id = 0, referenced = 0, reserved = 0, max_bytes = 0;
    int r = subvolume_id(fd, &id);
    if (r == 0)
        r = read_number(q->base.own_fd, id, "referenced", &referenced);
    if (r == 0)
        r = read_number(q->base.own_fd, id, "rsv_data", &reserved);
    if (r == 0)
        r = read_number(q->base.own_fd, id, "max_referenced", &max_bytes);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "usage of subvolume %" PRIu64, id);
    *ret_used_bytes = referenced + reserved;
    *ret_max_bytes = max_bytes;
    return 0;
}

/*
 * The blocks of removed subvolumes are freed by a thread that the file system wakes every 30 s.
 * Whoever makes room on a full volume wants to have it before that.
 */
static void btrfs_reclaim(struct wr_quota *quota)
{
    const struct btrfs_quota *q = self(quota);
    struct statvfs space;
    uint64_t ignored = 0;
    if (fstatvfs(q->volume_fd, &space) == 0 && space.f_bavail < space.f_blocks / LOW_SHARE)
        (void)ioctl(q->volume_fd, BTRFS_IOC_START_SYNC, &ignored);
}

static int btrfs_remove(struct wr_quota *quota, int parent_fd, const char *name,
                        struct wr_error *err)
{
    int r = subvolume_ioctl(parent_fd, BTRFS_IOC_SNAP_DESTROY, name);
    if (r == -ENOENT)
        return 0;
    if (r == -ENOTEMPTY) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -r,
                       "remove subvolume %s: it has a subvolume inside, which no sandbox can make; "
                       "remove that with 'btrfs subvolume delete'",
                       name);
    }
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "remove subvolume %s", name);
    self(quota)->stale = true;
    btrfs_reclaim(quota);
    return 0;
}

enum subvolume { SUBVOLUME_GONE, SUBVOLUME_DYING, SUBVOLUME_LIVE };

/* From its root item. A destroyed one keeps that, without references, until its blocks are free. */
static enum subvolume subvolume_state(int volume_fd, uint64_t id)
{
    struct btrfs_ioctl_search_args args = {
        .key = {.tree_id = BTRFS_ROOT_TREE_OBJECTID,
                .min_objectid = id,
                .max_objectid = id,
                .min_type = BTRFS_ROOT_ITEM_KEY,
                .max_type = BTRFS_ROOT_ITEM_KEY,
                .max_offset = UINT64_MAX,
                .max_transid = UINT64_MAX,
                .nr_items = 1},
    };
    uint32_t refs = 0;
    if (ioctl(volume_fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
        return SUBVOLUME_DYING; /* asked again later */
    if (args.key.nr_items == 0)
        return SUBVOLUME_GONE;
    memcpy(&refs,
           args.buf + sizeof(struct btrfs_ioctl_search_header) +
               offsetof(struct btrfs_root_item, refs),
           sizeof(refs));
    return refs ? SUBVOLUME_LIVE : SUBVOLUME_DYING;
}

/*
 * With simple quotas a qgroup pays for what its subvolume wrote as long as a clone still has it.
 * Without the qgroup the kernel could not book the end of that, and some versions then stop the
 * whole file system. (Newer ones refuse the removal.)
 */
static bool is_charged(const struct btrfs_quota *q, uint64_t id)
{
    uint64_t referenced = 0;
    return q->base.shares_for_free &&
           (read_number(q->base.own_fd, id, "referenced", &referenced) < 0 || referenced > 0);
}

/* Removes the qgroup of this sysfs entry if its subvolume is gone. */
static void collect_one(struct btrfs_quota *q, const char *name)
{
    struct btrfs_ioctl_qgroup_create_args args = {.create = 0};
    uint64_t id = 0;
    if (!wr_starts_with(name, "0_") ||
        wr_parse_u64(name + 2, BTRFS_FIRST_FREE_OBJECTID, BTRFS_LAST_FREE_OBJECTID, &id) < 0)
        return;
    enum subvolume state = subvolume_state(q->volume_fd, id);
    if (state == SUBVOLUME_DYING)
        q->stale = true;
    if (state != SUBVOLUME_GONE || is_charged(q, id))
        return;
    args.qgroupid = id;
    /* Gone already is what we want; anything else is tried again after the next removal. */
    if (ioctl(q->volume_fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0 && errno != ENOENT)
        q->stale = true;
}

static bool btrfs_collect(struct wr_quota *quota)
{
    struct btrfs_quota *q = self(quota);
    if (!q->scan) {
        if (!q->stale)
            return false;
        int fd = openat(q->base.own_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        q->scan = fd < 0 ? NULL : fdopendir(fd);
        if (!q->scan) {
            wr_close(fd);
            return false;
        }
        q->stale = false;
    }
    for (int i = 0; i < COLLECT_STEPS; i++) {
        struct dirent *e = readdir(q->scan);
        if (!e) {
            closedir(q->scan);
            q->scan = NULL;
            return false;
        }
        collect_one(q, e->d_name);
    }
    return true;
}

static void btrfs_forked(struct wr_quota *quota)
{
    self(quota)->stale = true;
}

static const struct wr_quota_ops btrfs_ops = {
    .remove_waits = true, /* for each cached inode, some 5 us */
    .forked = btrfs_forked,
    .free = btrfs_free,
    .make = btrfs_make,
    .clone = btrfs_clone,
    .set_limit = btrfs_set_limit,
    .usage = btrfs_usage,
    .remove = btrfs_remove,
    .collect = btrfs_collect,
    .reclaim = btrfs_reclaim,
};

int wr_quota_btrfs_open(int volume_fd, unsigned enable, struct wr_quota **ret, struct wr_error *err)
{
    wr_auto_close int sysfs_fd = open_sysfs(volume_fd);
    if (sysfs_fd < 0) {
        int r = switch_on(volume_fd, enable, err);
        if (r < 0)
            return r;
        sysfs_fd = open_sysfs(volume_fd);
    }
    if (sysfs_fd < 0) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -sysfs_fd,
                       "open the volume's directory in /sys/fs/btrfs: mount /sys");
    }
    struct btrfs_quota *q = wr_calloc(1, sizeof(*q));
    if (!q)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "btrfs quota");
    q->base.ops = &btrfs_ops;
    q->base.kind = read_kind(sysfs_fd);
    q->base.shares_for_free = wr_streq(q->base.kind, SIMPLE);
    q->volume_fd = volume_fd;
    q->base.own_fd = wr_steal_fd(&sysfs_fd);
    q->stale = true; /* an earlier engine may have been interrupted */
    *ret = &q->base;
    return 0;
}
