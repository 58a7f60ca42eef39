/*
 * A walk without recursion and without paths: each step names one entry relative to an open
 * directory. The last OPEN_LEVELS levels are open; a level above them is opened again, by "..",
 * when the walk comes back to it, at the place that readdir() had told. So depth, which a sandbox
 * chose, costs a few bytes per level.
 *
 * A file with several links is linked once more, under its inode's number, in a directory LINKS
 * beside the copy; its other names are linked from there. So links cost no memory either.
 */
#include "engine/storage/tree_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#define LINKS       ".links"
#define OPEN_LEVELS 32
/* Deeper is no tree that anybody works with, only memory of the engine's host. */
#define MAX_DEPTH   (1 << 20)
#define FIRST_DEPTH 64
#define COPY_CHUNK  ((size_t)1 << 30)
#define MODE_BITS   07777

struct level {
    DIR *src;      /* NULL: closed for now */
    int dst;       /* -1: closed for now */
    long position; /* of readdir(), when closed */
};

struct copy {
    struct level *levels; /* owned */
    size_t depth, capacity;
    int links_fd;
    bool no_clone; /* the file system cannot share blocks */
    char value[XATTR_SIZE_MAX];
    char names[XATTR_LIST_MAX];
};

/* Names one entry for the calls on extended attributes that know no directory descriptors. The last
 * part is the entry itself, which they do not follow. */
struct entry_path {
    char text[sizeof("/proc/self/fd/-2147483648/") + NAME_MAX];
};

static int entry_path(int dirfd, const char *name, struct entry_path *ret)
{
    return wr_strformat(ret->text, sizeof(ret->text), "/proc/self/fd/%d/%s", dirfd, name)
               ? 0
               : -ENAMETOOLONG;
}

static int copy_xattrs(struct copy *c, int src, int dst, const char *name)
{
    struct entry_path from, to;
    int rc = entry_path(src, name, &from);
    if (rc == 0)
        rc = entry_path(dst, name, &to);
    if (rc < 0)
        return rc;
    ssize_t len = llistxattr(from.text, c->names, sizeof(c->names));
    if (len < 0)
        return errno == ENOTSUP ? 0 : -errno;
    for (const char *key = c->names; key < c->names + len; key += strlen(key) + 1) {
        ssize_t size = lgetxattr(from.text, key, c->value, sizeof(c->value));
        if (size < 0 || lsetxattr(to.text, key, c->value, (size_t)size, 0) < 0)
            return -errno;
    }
    return 0;
}

/* After the content, which changes times; the owner before the rest, because a new owner takes
 * set-user-ID bits and capabilities away. */
static int copy_attributes(struct copy *c, int src, int dst, const char *name,
                           const struct stat *st)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (fchownat(dst, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    int rc = copy_xattrs(c, src, dst, name);
    if (rc < 0)
        return rc;
    /* Links have no mode of their own. The kernel has no chmod that does not follow them, but what
     * is there was made by us. */
    if (!S_ISLNK(st->st_mode) && fchmodat(dst, name, st->st_mode & MODE_BITS, 0) < 0)
        return -errno;
    return utimensat(dst, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_range(int src, int dst, off_t from, off_t to)
{
    while (from < to) {
        off_t at = from;
        ssize_t n =
            copy_file_range(src, &from, dst, &at, WR_MIN((size_t)(to - from), COPY_CHUNK), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO; /* shorter than it said */
    }
    return 0;
}

/* Holes stay holes. */
static int copy_data(int src, int dst, off_t size)
{
    off_t end = 0;
    if (ftruncate(dst, size) < 0)
        return -errno;
    while (end < size) {
        off_t data = lseek(src, end, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return 0; /* a hole up to the end */
        end = data < 0 ? -1 : lseek(src, data, SEEK_HOLE);
        if (end < 0)
            return -errno;
        int rc = copy_range(src, dst, data, WR_MIN(end, size));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static bool cannot_clone(int error)
{
    return error == EOPNOTSUPP || error == ENOTTY || error == EINVAL || error == EXDEV ||
           error == ENOSYS;
}

static int copy_content(struct copy *c, int src_dir, int dst_dir, const char *name,
                        const struct stat *st)
{
    wr_auto_close int src =
        openat(src_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
    if (src < 0)
        return -errno;
    wr_auto_close int dst =
        openat(dst_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (dst < 0)
        return -errno;
    if (st->st_size == 0)
        return 0;
    if (!c->no_clone) {
        if (ioctl(dst, FICLONE, src) == 0)
            return 0;
        if (!cannot_clone(errno))
            return -errno;
        c->no_clone = true;
    }
    return copy_data(src, dst, st->st_size);
}

static int copy_symlink(int src, int dst, const char *name)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(src, name, target, sizeof(target));
    if (len < 0 || len == sizeof(target))
        return len < 0 ? -errno : -ENAMETOOLONG;
    target[len] = '\0';
    return symlinkat(target, dst, name) < 0 ? -errno : 0;
}

static int make_entry(struct copy *c, int src, int dst, const char *name, const struct stat *st)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFREG:
        return copy_content(c, src, dst, name, st);
    case S_IFLNK:
        return copy_symlink(src, dst, name);
    default:
        return mknodat(dst, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0 ? -errno : 0;
    }
}

static int copy_entry(struct copy *c, int src, int dst, const char *name, const struct stat *st)
{
    char inode[24];
    snprintf(inode, sizeof(inode), "%" PRIu64, (uint64_t)st->st_ino);
    if (st->st_nlink > 1 && linkat(c->links_fd, inode, dst, name, 0) == 0)
        return 0;
    if (st->st_nlink > 1 && errno != ENOENT)
        return -errno;
    int rc = make_entry(c, src, dst, name, st);
    if (rc == 0)
        rc = copy_attributes(c, src, dst, name, st);
    if (rc == 0 && st->st_nlink > 1 && linkat(dst, name, c->links_fd, inode, 0) < 0)
        rc = -errno;
    return rc;
}

static void close_level(struct level *level)
{
    if (level->src)
        (void)closedir(level->src);
    level->src = NULL;
    level->dst = wr_close(level->dst);
}

/* One more level; the one that is too many is closed until the walk is back. */
static int reserve_level(struct copy *c)
{
    if (c->depth == MAX_DEPTH)
        return -ELOOP;
    if (c->depth == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : FIRST_DEPTH;
        struct level *levels = wr_calloc(capacity, sizeof(*levels));
        if (!levels)
            return -ENOMEM;
        if (c->depth)
            memcpy(levels, c->levels, c->depth * sizeof(*levels));
        free(c->levels);
        c->levels = levels;
        c->capacity = capacity;
    }
    if (c->depth >= OPEN_LEVELS) {
        struct level *far = &c->levels[c->depth - OPEN_LEVELS];
        far->position = telldir(far->src);
        if (far->position < 0)
            return -errno;
        close_level(far);
    }
    return 0;
}

static int open_directory(int dirfd, const char *name)
{
    int fd = openat(dirfd, name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Makes the directory and goes into it. */
static int enter(struct copy *c, int src_dir, int dst_dir, const char *name)
{
    int rc = reserve_level(c);
    if (rc < 0)
        return rc;
    wr_auto_close int src = open_directory(src_dir, name);
    if (src < 0)
        return src;
    if (mkdirat(dst_dir, name, 0700) < 0)
        return -errno;
    wr_auto_close int dst = open_directory(dst_dir, name);
    if (dst < 0)
        return dst;
    DIR *stream = fdopendir(src);
    if (!stream)
        return -errno;
    (void)wr_steal_fd(&src); /* the stream owns it now */
    c->levels[c->depth++] = (struct level){.src = stream, .dst = wr_steal_fd(&dst)};
    return 0;
}

/* Opens a level again from the one below it. */
static int reopen(struct level *level, const struct level *below)
{
    wr_auto_close int src = open_directory(dirfd(below->src), "..");
    wr_auto_close int dst = open_directory(below->dst, "..");
    if (src < 0 || dst < 0)
        return src < 0 ? src : dst;
    level->src = fdopendir(src);
    if (!level->src)
        return -errno;
    (void)wr_steal_fd(&src);
    level->dst = wr_steal_fd(&dst);
    seekdir(level->src, level->position);
    return 0;
}

/* Goes up; the directory gets its attributes now that nothing in it changes any more. */
static int leave(struct copy *c)
{
    struct level *level = &c->levels[c->depth - 1];
    struct stat st;
    int rc = fstat(dirfd(level->src), &st) < 0 ? -errno : 0;
    if (rc == 0)
        rc = copy_attributes(c, dirfd(level->src), level->dst, ".", &st);
    if (rc == 0 && c->depth > 1 && !level[-1].src)
        rc = reopen(&level[-1], level);
    close_level(level);
    c->depth--;
    return rc;
}

static int step(struct copy *c)
{
    struct level *level = &c->levels[c->depth - 1];
    struct stat st;
    errno = 0;
    const struct dirent *e = readdir(level->src);
    if (!e)
        return errno ? -errno : leave(c);
    if (wr_streq(e->d_name, ".") || wr_streq(e->d_name, ".."))
        return 0;
    int src = dirfd(level->src), dst = level->dst;
    if (fstatat(src, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? enter(c, src, dst, e->d_name)
                               : copy_entry(c, src, dst, e->d_name, &st);
}

static int walk(struct copy *c, int src_fd, int dst_fd, const char *name)
{
    struct stat st;
    if (fstatat(src_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    int rc = S_ISDIR(st.st_mode) ? enter(c, src_fd, dst_fd, name) : -ENOTDIR;
    while (rc == 0 && c->depth > 0)
        rc = step(c);
    while (c->depth > 0)
        close_level(&c->levels[--c->depth]);
    free(c->levels);
    return rc;
}

int wr_tree_copy(int src_fd, int dst_fd, const char *name)
{
    wr_auto_free struct copy *c = wr_calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    if (mkdirat(dst_fd, LINKS, 0700) < 0)
        return -errno;
    wr_auto_close int links_fd = open_directory(dst_fd, LINKS);
    c->links_fd = links_fd;
    int rc = links_fd < 0 ? links_fd : walk(c, src_fd, dst_fd, name);
    int removed = wr_remove_tree(dst_fd, LINKS);
    return rc < 0 ? rc : removed;
}
