#include "agent/fs/content_reply.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "agent/fs/path.h"
#include "agent/reply.h"
#include "base/str.h"
#include "rpc/timestamp.h"

#define ENTRY_MAX ((size_t)64 * 1024) /* two paths of PATH_MAX bytes, escaped, fit */

static const struct {
    int status;
    const char *word;
} words[] = {
    {400, "invalid_argument"},   {403, "permission_denied"}, {404, "not_found"},
    {405, "method_not_allowed"}, {409, "conflict"},          {429, "too_many_requests"},
    {507, "resource_exhausted"}, {500, "internal"},
};

/* What of a failed system call is the client's affair; anything else is an internal error. */
static const struct {
    int os_errno, status;
    const char *text;
} causes[] = {
    {ENOENT, 404, "it does not exist"},
    {ENOTDIR, 400, "it, or a part of the path, is not a directory"},
    {EISDIR, 400, "it is a directory"},
    {ENOTEMPTY, 400, "it is a directory"},
    {EEXIST, 409, "it exists already"},
    {ELOOP, 400, "too many links on the way"},
    {ENAMETOOLONG, 400, "a part of the path is too long"},
    {ENXIO, 400, "it is not a regular file"},
    {EXDEV, 400, "it is not in the volume"},
    {EINVAL, 400, "its file system does not take that"},
    {EAGAIN, 409, "it is being changed; try again"},
    {EACCES, 403, "permission denied"},
    {EPERM, 403, "permission denied"},
    {EROFS, 403, "the volume is mounted read-only"},
    {EBUSY, 429, "too many removals are under way; wait for one to end"},
    {ENOSPC, 507, "the volume is full"},
    {EDQUOT, 507, "the volume is full"},
};

static const char *word_of(int status)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(words); i++)
        if (words[i].status == status)
            return words[i].word;
    return words[WR_ARRAY_SIZE(words) - 1].word;
}

void wr_content_fail(struct wr_exchange *ex, int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    wr_reply_word(ex, status, word_of(status), true, fmt, ap);
    va_end(ap);
}

void wr_content_fail_now(struct wr_exchange *ex, int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    wr_reply_word(ex, status, word_of(status), false, fmt, ap);
    va_end(ap);
}

static const char *cause_of(int os_errno, int *ret_status)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(causes); i++) {
        if (causes[i].os_errno == os_errno) {
            *ret_status = causes[i].status;
            return causes[i].text;
        }
    }
    *ret_status = 500;
    return wr_errno_text(os_errno);
}

void wr_content_fail_errno(struct wr_exchange *ex, int os_errno, const char *doing,
                           const char *path)
{
    int status = 500;
    const char *text = cause_of(os_errno, &status);

    wr_content_fail(ex, status, "cannot %s '%s': %s", doing, path, text);
}

void wr_content_fail_errno_now(struct wr_exchange *ex, int os_errno, const char *doing,
                               const char *path)
{
    int status = 500;
    const char *text = cause_of(os_errno, &status);

    wr_content_fail_now(ex, status, "cannot %s '%s': %s", doing, path, text);
}

static const char *type_of(mode_t mode)
{
    if (S_ISREG(mode))
        return "file";
    if (S_ISDIR(mode))
        return "directory";
    return S_ISLNK(mode) ? "symlink" : "unknown";
}

static void write_time(struct wr_jw *w, const char *key, const struct timespec *t)
{
    char text[WR_TIMESTAMP_LEN] = "1970-01-01T00:00:00Z"; /* for years that the format lacks */

    (void)!wr_timestamp_format(t->tv_sec, (uint32_t)t->tv_nsec, text);
    wr_jw_kstr(w, key, text);
}

void wr_content_entry_write(struct wr_jw *w, int dirfd, const char *name, const char *path,
                            const struct stat *st)
{
    char target[PATH_MAX];
    size_t base_len = 0;
    const char *base = wr_path_base(path, &base_len);

    wr_jw_object(w);
    wr_jw_key(w, "name");
    wr_jw_strn(w, base, base_len);
    wr_jw_kstr(w, "type", type_of(st->st_mode));
    wr_jw_kstr(w, "path", path);
    wr_jw_ki64(w, "size", st->st_size);
    wr_jw_ku64(w, "mode", st->st_mode & 07777);
    wr_jw_ku64(w, "uid", st->st_uid);
    wr_jw_ku64(w, "gid", st->st_gid);
    write_time(w, "atime", &st->st_atim);
    write_time(w, "mtime", &st->st_mtim);
    write_time(w, "ctime", &st->st_ctim);
    if (S_ISLNK(st->st_mode)) {
        ssize_t len = readlinkat(dirfd, name, target, sizeof(target));
        wr_jw_key(w, "target");
        wr_jw_strn(w, target, len < 0 ? 0 : (size_t)len);
    }
    wr_jw_end(w);
}

void wr_content_entry_reply(struct wr_exchange *ex, int status, int dirfd, const char *name,
                            const char *path, const struct stat *st)
{
    wr_auto_buf body = WR_BUF(ENTRY_MAX);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_content_entry_write(&w, dirfd, name, path, st);
    if (wr_jw_finish(&w) < 0)
        wr_content_fail_now(ex, 500, "no memory for the answer");
    else
        wr_reply_json(ex, status, &body);
}
