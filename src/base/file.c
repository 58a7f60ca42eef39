#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"

#define READ_CHUNK      4096
#define TEMP_RANDOM_LEN 16

/* Appends until the end of the file; -EFBIG when the buffer is full before that. */
static int read_to_end(int fd, struct wr_buf *out)
{
    for (;;) {
        size_t room = wr_buf_room(out);
        if (room == 0) {
            char probe;
            ssize_t n = wr_read_full(fd, &probe, 1);
            return n > 0 ? -EFBIG : (int)n;
        }
        /* Grows with what is there already, so that a large file takes few calls. */
        size_t chunk = WR_MIN(room, WR_MAX((size_t)READ_CHUNK, out->len));
        char *p = wr_buf_reserve(out, chunk);
        if (!p)
            return -ENOMEM;
        ssize_t n = wr_read_full(fd, p, chunk);
        if (n < 0)
            return (int)n;
        wr_buf_commit(out, (size_t)n);
        if ((size_t)n < chunk)
            return 0;
    }
}

int wr_file_read(int dirfd, const char *path, struct wr_buf *out)
{
    wr_auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t old_len = out->len;
    int r = read_to_end(fd, out);
    if (r < 0)
        out->len = old_len;
    return r;
}

ssize_t wr_file_read_line(int dirfd, const char *path, char *out, size_t cap)
{
    if (cap == 0)
        return -EINVAL;
    wr_auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = wr_read_full(fd, out, cap - 1);
    if (n < 0)
        return n;
    if (n > 0 && out[n - 1] == '\n')
        n--;
    out[n] = '\0';
    return n;
}

int wr_file_write_str(int dirfd, const char *path, const char *value)
{
    wr_auto_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t len = strlen(value);
    ssize_t n = write(fd, value, len);
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -EIO;
}

/* The directory part of `path` with its slash ("" when there is none) as a length. */
static size_t dir_prefix_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

static int sync_dir(int dirfd, const char *path)
{
    char dir[PATH_MAX];
    if (!wr_strformat(dir, sizeof(dir), "%.*s.", (int)dir_prefix_len(path), path))
        return -ENAMETOOLONG;
    wr_auto_close int fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

static int write_content(int fd, const void *data, size_t len, mode_t mode,
                         enum wr_durability durability)
{
    int r = wr_write_all(fd, data, len);
    if (r < 0)
        return r;
    /* The umask must not decide what others can read. */
    if (fchmod(fd, mode) < 0)
        return -errno;
    if (durability == WR_DURABLE && fsync(fd) < 0)
        return -errno;
    return 0;
}

int wr_file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
                    enum wr_durability durability)
{
    char temp[PATH_MAX];
    char random[TEMP_RANDOM_LEN + 1];
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    wr_random_id(random, TEMP_RANDOM_LEN);
    if (!wr_strformat(temp, sizeof(temp), "%.*s.wr-%s.tmp", (int)dir_prefix_len(path), path,
                      random))
        return -ENAMETOOLONG;

    wr_auto_close int fd =
        openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = write_content(fd, data, len, mode, durability);
    if (r == 0 && renameat(dirfd, temp, dirfd, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dirfd, temp, 0);
        return r;
    }
    return durability == WR_DURABLE ? sync_dir(dirfd, path) : 0;
}

/* 0 when `path` is a directory now, or a symbolic link to one. */
static int make_dir(int dirfd, const char *path, mode_t mode)
{
    if (mkdirat(dirfd, path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    struct stat st;
    if (fstatat(dirfd, path, &st, 0) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int wr_mkdir_parents(int dirfd, const char *path, mode_t mode)
{
    char partial[PATH_MAX];
    if (!wr_strcopy(partial, sizeof(partial), path))
        return -ENAMETOOLONG;
    if (partial[0] == '\0')
        return -ENOENT;
    for (char *p = partial + 1; *p != '\0'; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        int r = make_dir(dirfd, partial, mode);
        if (r < 0)
            return r;
        *p = '/';
    }
    return make_dir(dirfd, partial, mode);
}
