#include "template/import_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "template/entry.h"
#include "template/link_table.h"

#define DEPTH_MAX   200
#define COPY_BYTES  (1024 * 1024)
#define XATTR_NAMES 65536

struct copy {
    struct wr_worker *worker;
    int root_fd; /* borrowed */
    struct stat source, avoid;
    struct wr_link_table links;
    char path[PATH_MAX]; /* of the entry at hand, relative to the root */
    size_t path_len;
    struct wr_error *err;
};

/* A directory on both sides. */
struct pair {
    int from, to;
};

static int failed(struct copy *c, const char *what)
{
    int os_errno = errno;
    return wr_fail(c->err, wr_code_from_errno(os_errno), os_errno, "%s %.150s", what, c->path);
}

static int open_dir(int dirfd, const char *name)
{
    return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int copy_xattrs(struct copy *c, int from, int to)
{
    char names[XATTR_NAMES / 16];
    ssize_t len = flistxattr(from, names, sizeof(names));
    if (len < 0)
        return errno == ENOTSUP ? 0 : failed(c, "cannot list the attributes of");
    for (const char *name = names; name < names + len; name += strlen(name) + 1) {
        char value[4096];
        if (!wr_entry_xattr_allowed(name))
            continue;
        ssize_t size = fgetxattr(from, name, value, sizeof(value));
        if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) < 0)
            return failed(c, "cannot copy an attribute of");
    }
    return 0;
}

/* Owner first: changing it clears the set-id bits and file capabilities. */
static int copy_attributes(struct copy *c, const struct stat *st, int from, int to)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
        return failed(c, "cannot set owner and mode of");
    int rc = copy_xattrs(c, from, to);
    if (rc == 0 && futimens(to, times) < 0)
        return failed(c, "cannot set the times of");
    return rc;
}

/* Shares blocks where the file system can; between file systems the kernel refuses that and has to
 * copy. */
static ssize_t copy_some(int from, int to)
{
    ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_BYTES, 0);
    if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
        n = sendfile(to, from, NULL, COPY_BYTES);
    return n;
}

static int copy_bytes(struct copy *c, int from, int to)
{
    for (;;) {
        ssize_t n = copy_some(from, to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(c, "cannot copy");
        if (n == 0)
            return 0;
        c->worker->bytes += (uint64_t)n;
        if (c->worker->bytes > WR_IMPORT_MAX_BYTES)
            return wr_fail(c->err, WR_E_RESOURCE_EXHAUSTED, 0,
                           "the directory holds more than %llu GiB",
                           (unsigned long long)(WR_IMPORT_MAX_BYTES / WR_GIB));
    }
}

static int copy_file(struct copy *c, struct pair d, const char *name, const struct stat *seen)
{
    if (seen->st_nlink > 1) {
        const char *first = wr_link_table_find(&c->links, seen->st_dev, seen->st_ino);
        if (first)
            return linkat(c->root_fd, first, d.to, name, 0) < 0 ? failed(c, "cannot link") : 0;
        int rc = wr_link_table_add(&c->links, seen->st_dev, seen->st_ino, c->path);
        if (rc < 0)
            return wr_fail(c->err, WR_E_RESOURCE_EXHAUSTED, -rc, "too many hard links at %.150s",
                           c->path);
    }
    /* O_NONBLOCK: what was a file may be a FIFO by now. */
    wr_auto_close int from = openat(d.from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (from < 0 || fstat(from, &st) < 0)
        return failed(c, "cannot open");
    if (!S_ISREG(st.st_mode))
        return wr_fail(c->err, WR_E_ABORTED, 0, "%.150s changed while it was copied", c->path);
    wr_auto_close int to =
        openat(d.to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return failed(c, "cannot make");
    int rc = copy_bytes(c, from, to);
    return rc == 0 ? copy_attributes(c, &st, from, to) : rc;
}

static int copy_symlink(struct copy *c, struct pair d, const char *name, const struct stat *st)
{
    char target[PATH_MAX];
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    ssize_t len = readlinkat(d.from, name, target, sizeof(target) - 1);
    if (len < 0)
        return failed(c, "cannot read the link");
    target[len] = '\0';
    if (symlinkat(target, d.to, name) < 0 ||
        fchownat(d.to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        utimensat(d.to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(c, "cannot make the link");
    return 0;
}

static int copy_fifo(struct copy *c, struct pair d, const char *name, const struct stat *st)
{
    if (mkfifoat(d.to, name, 0600) < 0 ||
        fchownat(d.to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(d.to, name, st->st_mode & 07777, 0) < 0)
        return failed(c, "cannot make");
    return 0;
}

static int copy_tree(struct copy *c, struct pair d, unsigned int depth);

static int copy_dir(struct copy *c, struct pair d, const char *name, const struct stat *seen,
                    unsigned int depth)
{
    if (mkdirat(d.to, name, 0700) < 0)
        return failed(c, "cannot make");
    wr_auto_close int from = open_dir(d.from, name);
    wr_auto_close int to = open_dir(d.to, name);
    struct stat st;
    if (from < 0 || to < 0 || fstat(from, &st) < 0)
        return failed(c, "cannot open");
    bool elsewhere = st.st_dev != c->source.st_dev ||
                     (st.st_dev == c->avoid.st_dev && st.st_ino == c->avoid.st_ino);
    int rc = elsewhere ? 0 : copy_tree(c, (struct pair){from, to}, depth + 1);
    return rc == 0 ? copy_attributes(c, elsewhere ? seen : &st, from, to) : rc;
}

static int copy_entry(struct copy *c, struct pair d, const char *name, unsigned int depth)
{
    struct stat st;
    enum wr_entry_verdict verdict = WR_ENTRY_TAKE;
    if (fstatat(d.from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(c, "cannot look at");
    int rc = wr_entry_judge(c->path, st.st_mode & S_IFMT, &verdict, c->err);
    if (rc < 0 || verdict == WR_ENTRY_SKIP)
        return rc;
    wr_worker_count(c->worker, 0);
    if (c->worker->entries > WR_IMPORT_MAX_ENTRIES)
        return wr_fail(c->err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the directory holds more than %d entries", WR_IMPORT_MAX_ENTRIES);
    if (S_ISDIR(st.st_mode))
        return copy_dir(c, d, name, &st, depth);
    if (S_ISREG(st.st_mode))
        return copy_file(c, d, name, &st);
    return S_ISLNK(st.st_mode) ? copy_symlink(c, d, name, &st) : copy_fifo(c, d, name, &st);
}

static int copy_named(struct copy *c, struct pair d, const char *name, unsigned int depth)
{
    size_t before = c->path_len;
    size_t len = strlen(name);
    if (depth > DEPTH_MAX || before + len + 2 > sizeof(c->path))
        return wr_fail(c->err, WR_E_OUT_OF_RANGE, 0, "directories are nested too deeply at %.150s",
                       c->path);
    if (before)
        c->path[c->path_len++] = '/';
    memcpy(c->path + c->path_len, name, len + 1);
    c->path_len += len;
    int rc = copy_entry(c, d, name, depth);
    c->path_len = before;
    if (rc == 0)
        c->path[before] = '\0';
    return rc;
}

static int copy_tree(struct copy *c, struct pair d, unsigned int depth)
{
    int fd = open_dir(d.from, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        (void)wr_close(fd);
        return failed(c, "cannot read");
    }
    int rc = 0;
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir))
        if (!wr_streq(e->d_name, ".") && !wr_streq(e->d_name, ".."))
            rc = copy_named(c, d, e->d_name, depth);
    (void)closedir(dir);
    return rc;
}

int wr_import_dir(struct wr_worker *w, int source_fd, int root_fd, int avoid_fd,
                  struct wr_error *err)
{
    struct copy c = {.worker = w, .root_fd = root_fd, .err = err};
    if (fstat(source_fd, &c.source) < 0 || fstat(avoid_fd, &c.avoid) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot look at the directory to import");
    int rc = copy_tree(&c, (struct pair){source_fd, root_fd}, 0);
    wr_link_table_done(&c.links);
    return rc;
}
