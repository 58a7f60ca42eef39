#include "template/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"

#define DRAFT_PREFIX ".tmp-"
#define DEPTH_MAX    256 /* directories below each other, also the open descriptors of a walk */

bool wr_layer_hash_valid(const char *hash)
{
    return wr_str_only(hash, "0123456789abcdef", 64, 64);
}

static int open_dir(int dirfd, const char *name)
{
    return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Makes, finds or removes drafts one process at a time: a new directory is locked before a cleaner
 * may look at it. */
static int lock_layers(int layers_fd, int *ret_fd, struct wr_error *err)
{
    wr_auto_close int fd =
        openat(layers_fd, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot open layers/.lock");
    int rc = 0;
    do {
        rc = flock(fd, LOCK_EX);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot lock layers/.lock");
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

/* Drafts whose maker is dead: nobody holds their lock. */
static void remove_stale(int layers_fd)
{
    int fd = open_dir(layers_fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        (void)wr_close(fd);
        return;
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (!wr_starts_with(e->d_name, DRAFT_PREFIX))
            continue;
        wr_auto_close int draft = open_dir(layers_fd, e->d_name);
        if (draft >= 0 && flock(draft, LOCK_EX | LOCK_NB) == 0)
            (void)!wr_remove_tree(layers_fd, e->d_name); /* what resists is tried again next time */
    }
    (void)closedir(dir);
}

static int check_space(int layers_fd, uint64_t need_bytes, struct wr_error *err)
{
    struct statvfs fs;
    if (fstatvfs(layers_fd, &fs) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL,
                             "cannot read the free space of the data directory");
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes < need_bytes)
        return wr_fail(
            err, WR_E_RESOURCE_EXHAUSTED, 0,
            "a layer needs %llu MB on the disk of the data directory and %llu MB are free",
            (unsigned long long)(need_bytes / 1000000), (unsigned long long)(free_bytes / 1000000));
    return 0;
}

/* Needs the lock of layers/: makes .tmp-<random>/root/ and locks it for as long as this process
 * lives. */
static int make_draft(struct wr_layer_draft *d, struct wr_error *err)
{
    char id[13];
    wr_random_id(id, sizeof(id) - 1);
    if (!wr_strformat(d->name, sizeof(d->name), DRAFT_PREFIX "%s", id))
        return wr_fail(err, WR_E_INTERNAL, 0, "the name of a draft is too long");
    if (mkdirat(d->layers_fd, d->name, 0700) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot make layers/%s", d->name);
    d->dir_fd = open_dir(d->layers_fd, d->name);
    if (d->dir_fd < 0 || flock(d->dir_fd, LOCK_EX | LOCK_NB) < 0 ||
        mkdirat(d->dir_fd, "root", 0755) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot prepare layers/%s", d->name);
    d->root_fd = open_dir(d->dir_fd, "root");
    if (d->root_fd < 0 || fchmod(d->root_fd, 0755) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot prepare layers/%s/root", d->name);
    return 0;
}

int wr_layer_draft_open(int data_dirfd, uint64_t need_bytes, struct wr_layer_draft *ret,
                        struct wr_error *err)
{
    wr_auto_layer_draft d = WR_LAYER_DRAFT;
    d.layers_fd = open_dir(data_dirfd, "layers");
    if (d.layers_fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot open layers/ in the data directory");
    wr_auto_close int lock = -1;
    int rc = lock_layers(d.layers_fd, &lock, err);
    if (rc < 0)
        return rc;
    remove_stale(d.layers_fd);
    rc = check_space(d.layers_fd, need_bytes, err);
    if (rc == 0)
        rc = make_draft(&d, err);
    if (rc < 0)
        return rc;
    *ret = d;
    d = (struct wr_layer_draft)WR_LAYER_DRAFT;
    return 0;
}

void wr_layer_draft_done(struct wr_layer_draft *d)
{
    if (d->layers_fd >= 0 && d->dir_fd >= 0)
        (void)!wr_remove_tree(d->layers_fd, d->name); /* the next draft tries again */
    d->root_fd = wr_close(d->root_fd);
    d->dir_fd = wr_close(d->dir_fd);
    d->layers_fd = wr_close(d->layers_fd);
}

int wr_layer_commit(struct wr_layer_draft *d, const char *hash, struct wr_error *err)
{
    if (!wr_layer_hash_valid(hash))
        return wr_fail(err, WR_E_INTERNAL, 0, "a layer's name must be 64 hex digits");
    if (syncfs(d->root_fd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot flush a layer to the disk");
    /* The old tree moves into the draft and is removed with it. */
    if (renameat(d->layers_fd, hash, d->dir_fd, "replaced") < 0 && errno != ENOENT)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot replace layers/%s", hash);
    if (renameat(d->dir_fd, "root", d->layers_fd, hash) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot name layers/%s", hash);
    if (fsync(d->layers_fd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot flush layers/ to the disk");
    return 0;
}

bool wr_layer_exists(int data_dirfd, const char *hash)
{
    wr_auto_close int layers = open_dir(data_dirfd, "layers");
    struct stat st;
    return layers >= 0 && fstatat(layers, hash, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

int wr_layer_remove(int data_dirfd, const char *hash, struct wr_error *err)
{
    if (!wr_layer_hash_valid(hash))
        return wr_fail(err, WR_E_INTERNAL, 0, "a layer's name must be 64 hex digits");
    wr_auto_layer_draft d = WR_LAYER_DRAFT;
    int rc = wr_layer_draft_open(data_dirfd, 0, &d, err);
    if (rc < 0)
        return rc;
    if (renameat(d.layers_fd, hash, d.dir_fd, "replaced") < 0 && errno != ENOENT)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot remove layers/%s", hash);
    return 0;
}

static int sum_dir(int dirfd, unsigned int depth, uint64_t *total)
{
    DIR *dir = fdopendir(dirfd);
    if (!dir) {
        int rc = -errno;
        (void)wr_close(dirfd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir)) {
        struct stat st;
        if (wr_streq(e->d_name, ".") || wr_streq(e->d_name, ".."))
            continue;
        if (fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            rc = -errno;
        } else if (!S_ISDIR(st.st_mode)) {
            *total += (uint64_t)st.st_size;
        } else {
            int sub = depth < DEPTH_MAX ? open_dir(dirfd, e->d_name) : -1;
            rc = sub >= 0 ? sum_dir(sub, depth + 1, total) : depth < DEPTH_MAX ? -errno : -ELOOP;
        }
    }
    (void)closedir(dir);
    return rc;
}

int wr_layer_size(int root_fd, uint64_t *ret_bytes)
{
    uint64_t total = 0;
    int fd = open_dir(root_fd, ".");
    if (fd < 0)
        return -errno;
    int rc = sum_dir(fd, 0, &total);
    if (rc == 0)
        *ret_bytes = total;
    return rc;
}
