#include "cli/tar_extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "sys/syscall.h"

#define RESOLVE_INSIDE (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

struct extract {
    const struct wr_tar_extract *opts;
    struct archive *archive;
    uint64_t bytes;
    struct wr_error error; /* of the source */
};

static la_ssize_t on_read(struct archive *archive, void *data, const void **ret)
{
    struct extract *x = data;
    ssize_t n = x->opts->read(x->opts->data, ret, &x->error);

    if (n < 0)
        archive_set_error(archive, EIO, "read");
    return n < 0 ? ARCHIVE_FATAL : n;
}

static int archive_failure(struct extract *x, struct wr_error *err)
{
    if (x->error.code != WR_OK) {
        *err = x->error;
        return -err->code;
    }
    const char *why = archive_error_string(x->archive);
    return wr_fail(err, WR_E_DATA_LOSS, 0, "the sandbox sent a broken tar stream (%.100s)",
                   why ? why : "unknown error");
}

/* "./a/b" -> "a/b"; "" for the directory itself. Refuses absolute paths, ".." and what is too long.
 */
static int clean_path(const char *path, char *out, size_t cap, struct wr_error *err)
{
    size_t n = 0;

    if (!path || path[0] == '/')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "entry with a path from the root was refused");
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.')
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "entry with \"..\" in its path was refused");
        if (len > 0 && !(len == 1 && path[0] == '.')) {
            if (n + len + 2 > cap)
                return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "entry with a path over %zu bytes",
                               cap);
            if (n > 0)
                out[n++] = '/';
            memcpy(out + n, path, len);
            n += len;
        }
        path += len;
        path += *path == '/';
    }
    out[n] = '\0';
    return 0;
}

/* The directory that holds the last component, opened without following any link. Splits `path` in
 * place. */
static int open_parent(struct extract *x, char *path, int *ret_fd, const char **ret_name,
                       struct wr_error *err)
{
    char *slash = strrchr(path, '/');
    const char *parent = ".";

    *ret_name = path;
    if (slash) {
        *slash = '\0';
        parent = path;
        *ret_name = slash + 1;
    }
    int fd =
        wr_openat2(x->opts->dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_INSIDE);
    if (fd < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, -fd,
                       "entry below \"%.80s\" was refused (not a directory of this copy)", parent);
    *ret_fd = fd;
    return 0;
}

static int make_directory(int parent_fd, const char *name, mode_t mode, struct wr_error *err)
{
    if (mkdirat(parent_fd, name, mode | 0700) == 0)
        return 0;
    wr_auto_close int fd =
        wr_openat2(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_INSIDE);
    if (fd < 0)
        return wr_fail(err, wr_code_from_errno(-fd), -fd, "make directory %.80s", name);
    return 0;
}

static int write_content(struct extract *x, int fd, struct wr_error *err)
{
    for (;;) {
        const void *block = NULL;
        size_t len = 0;
        la_int64_t offset = 0;
        int r = archive_read_data_block(x->archive, &block, &len, &offset);

        if (r == ARCHIVE_EOF)
            return 0;
        if (r != ARCHIVE_OK)
            return archive_failure(x, err);
        x->bytes += len;
        if (x->bytes > x->opts->max_bytes || offset < 0 || (uint64_t)offset > x->opts->max_bytes)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                           "the directory is larger than --max-size allows");
        for (size_t done = 0; done < len;) {
            ssize_t n =
                pwrite(fd, (const char *)block + done, len - done, (off_t)offset + (off_t)done);
            if (n < 0 && errno != EINTR)
                return wr_fail_errno(err, wr_code_from_errno(errno), "write");
            done += n > 0 ? (size_t)n : 0;
        }
    }
}

static int make_file(struct extract *x, int parent_fd, const char *name, mode_t mode, int64_t size,
                     struct wr_error *err)
{
    wr_auto_close int fd =
        openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "create %.80s", name);
    if (size < 0 || (uint64_t)size > x->opts->max_bytes)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%.80s is larger than --max-size allows",
                       name);
    int r = write_content(x, fd, err);
    if (r < 0)
        return wr_wrap(err, "%.80s", name);
    /* Sparse ends are not part of any block. */
    if (ftruncate(fd, size) < 0 || fchmod(fd, mode) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "%.80s", name);
    return 0;
}

static int make_hard_link(struct extract *x, int parent_fd, const char *name, const char *target,
                          struct wr_error *err)
{
    char path[PATH_MAX];
    const char *target_name = NULL;
    wr_auto_close int target_fd = -1;

    int r = clean_path(target, path, sizeof path, err);
    if (r == 0)
        r = open_parent(x, path, &target_fd, &target_name, err);
    if (r == 0 && linkat(target_fd, target_name, parent_fd, name, 0) < 0)
        r = wr_fail_errno(err, wr_code_from_errno(errno), "link %.80s", name);
    return r;
}

static int extract_entry(struct extract *x, struct archive_entry *entry, struct wr_error *err)
{
    char path[PATH_MAX];
    const char *name = NULL, *hard_link = archive_entry_hardlink(entry);
    mode_t type = archive_entry_filetype(entry), mode = archive_entry_perm(entry) & 0777;
    wr_auto_close int parent_fd = -1;

    int r = clean_path(archive_entry_pathname(entry), path, sizeof path, err);
    if (r < 0 || !path[0])
        return r;
    if (!hard_link && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) {
        x->opts->skipped(path, x->opts->data);
        return 0;
    }
    r = open_parent(x, path, &parent_fd, &name, err);
    if (r < 0)
        return r;
    if (!hard_link && type == AE_IFDIR)
        return make_directory(parent_fd, name, mode, err);
    /* What is there is replaced, never written through. */
    if (unlinkat(parent_fd, name, 0) < 0 && errno != ENOENT)
        return wr_fail_errno(err, wr_code_from_errno(errno), "replace %.80s", name);
    if (hard_link)
        return make_hard_link(x, parent_fd, name, hard_link, err);
    if (type == AE_IFREG)
        return make_file(x, parent_fd, name, mode, archive_entry_size(entry), err);
    const char *target = archive_entry_symlink(entry);
    if (!target || symlinkat(target, parent_fd, name) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make link %.80s", name);
    return 0;
}

int wr_tar_extract(const struct wr_tar_extract *opts, struct wr_error *err)
{
    struct extract x = {.opts = opts, .archive = archive_read_new()};
    struct archive_entry *entry = NULL;
    int r = 0;

    if (!x.archive)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tar reader");
    /* One format, no compression: as little code as possible looks at these bytes. */
    if (archive_read_support_format_tar(x.archive) != ARCHIVE_OK ||
        archive_read_open(x.archive, &x, NULL, on_read, NULL) != ARCHIVE_OK)
        r = archive_failure(&x, err);
    for (int count = 0; r == 0; count++) {
        int got = archive_read_next_header(x.archive, &entry);
        if (got == ARCHIVE_EOF)
            break;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            r = archive_failure(&x, err);
        else if (count >= WR_TAR_MAX_ENTRIES)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "more than %d entries",
                        WR_TAR_MAX_ENTRIES);
        else
            r = extract_entry(&x, entry, err);
    }
    archive_read_free(x.archive);
    return r;
}
