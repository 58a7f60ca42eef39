#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "primitives/secure/audit_file.h"

#define LOCK_WAIT_MS 10000
#define LOCK_TRY_MS  2

struct wr_audit {
    atomic_uint refs;
    char *path;
    int fd;
    pthread_mutex_t lock; /* of what follows, and of the file between threads */
    struct wr_audit_link link;
    off_t known_size; /* to which `link` belongs */
};

int wr_audit_file_lock(int fd, int how, const char *path, struct wr_error *err)
{
    const struct timespec pause = {.tv_nsec = LOCK_TRY_MS * 1000000L};
    uint64_t end = wr_mono_ms() + LOCK_WAIT_MS;

    while (flock(fd, how | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "%.100s: lock", path);
        if (wr_mono_ms() >= end)
            return wr_fail(err, WR_E_UNAVAILABLE, 0,
                           "%.100s: another process has held its lock for %d seconds", path,
                           LOCK_WAIT_MS / 1000);
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

int wr_audit_file_tail(int fd, off_t size, const char *path, struct wr_audit_link *ret,
                       struct wr_error *err)
{
    size_t want = (size_t)WR_MIN((uint64_t)size, (uint64_t)WR_AUDIT_LINE_MAX + 1);
    wr_auto_free char *tail = malloc(want + 1);
    struct wr_audit_line line;

    if (size == 0) {
        wr_audit_link_init(ret);
        return 0;
    }
    if (!tail)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%.100s", path);
    ssize_t got = pread(fd, tail, want, size - (off_t)want);
    if (got != (ssize_t)want)
        return wr_fail_errno(err, WR_E_DATA_LOSS, "%.100s: read", path);
    /* The end of the line before the last one. */
    char *start = memrchr(tail, '\n', want - 1);
    start = start ? start + 1 : tail;
    if (tail[want - 1] != '\n')
        return wr_fail(
            err, WR_E_DATA_LOSS, 0,
            "%.100s: the last line is not whole, its writer was stopped; cut it off with "
            "`truncate -s %lld`",
            path, (long long)(size - (tail + want - start)));
    int r = wr_audit_line_read(start, (size_t)(tail + want - 1 - start), &line, err);
    if (r < 0)
        return wr_wrap(err, "%.100s: the last line", path);
    *ret = line.link;
    return 0;
}

static void free_half(struct wr_audit **audit)
{
    *audit = wr_audit_free(*audit);
}

/* A new file's name is on disk too when the first record is. */
static int sync_directory(const char *path, struct wr_error *err)
{
    wr_auto_free char *copy = wr_strdup(path);
    wr_auto_close int fd = -1;

    if (!copy)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%.100s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "%.100s: its directory", path);
    return 0;
}

/* Looks at the end of the file, which is locked; `link` and `known_size` belong together after. */
static int follow(struct wr_audit *audit, struct wr_error *err)
{
    struct stat st;

    if (fstat(audit->fd, &st) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "%.100s", audit->path);
    if (!S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.100s: no regular file", audit->path);
    if (st.st_nlink == 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%.100s: the file was removed; open the log again", audit->path);
    if (st.st_size == audit->known_size)
        return 0;
    int r = wr_audit_file_tail(audit->fd, st.st_size, audit->path, &audit->link, err);
    if (r == 0)
        audit->known_size = st.st_size;
    return r;
}

struct wr_audit *wr_audit_open(const char *path, struct wr_error *err)
{
    WR_CLEANUP(free_half) struct wr_audit *audit = NULL;

    if (!path || !*path) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "an audit log needs a path");
        return NULL;
    }
    audit = wr_calloc(1, sizeof *audit);
    if (!audit) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit log");
        return NULL;
    }
    atomic_init(&audit->refs, 1);
    (void)pthread_mutex_init(&audit->lock, NULL);
    wr_audit_link_init(&audit->link);
    audit->path = wr_strdup(path);
    audit->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (!audit->path || audit->fd < 0) {
        (void)wr_fail_errno(err, wr_code_from_errno(errno), "%.100s", path);
        return NULL;
    }
    if (wr_audit_file_lock(audit->fd, LOCK_SH, path, err) < 0)
        return NULL;
    int r = follow(audit, err);
    (void)flock(audit->fd, LOCK_UN);
    if (r == 0 && audit->known_size == 0)
        r = sync_directory(path, err);
    return r < 0 ? NULL : wr_steal_ptr(&audit);
}

struct wr_audit *wr_audit_ref(struct wr_audit *audit)
{
    if (audit)
        atomic_fetch_add(&audit->refs, 1);
    return audit;
}

struct wr_audit *wr_audit_free(struct wr_audit *audit)
{
    if (!audit || atomic_fetch_sub(&audit->refs, 1) != 1)
        return NULL;
    wr_close(audit->fd);
    (void)pthread_mutex_destroy(&audit->lock);
    free(audit->path);
    free(audit);
    return NULL;
}

/* All of a line or nothing, as far as it is up to us. */
static int append_line(struct wr_audit *audit, const struct wr_buf *line, struct wr_error *err)
{
    int r = wr_write_all(audit->fd, wr_buf_ptr(line), line->len);

    if (r == 0 && fdatasync(audit->fd) < 0)
        r = -errno;
    if (r == 0)
        return 0;
    if (ftruncate(audit->fd, audit->known_size) < 0)
        return wr_fail(err, WR_E_DATA_LOSS, -r, "%.100s: half a line may be left", audit->path);
    return wr_fail(err, wr_code_from_errno(-r), -r, "%.100s: write", audit->path);
}

static int append_locked(struct wr_audit *audit, const struct wr_value *record,
                         struct wr_error *err)
{
    wr_auto_buf line = WR_BUF(WR_AUDIT_LINE_MAX);

    int r = follow(audit, err);
    struct wr_audit_link link = audit->link;
    if (r == 0)
        r = wr_audit_line_write(record, wr_wall_ms(), &link, &line, err);
    if (r == 0)
        r = append_line(audit, &line, err);
    if (r < 0)
        return r;
    audit->link = link;
    audit->known_size += (off_t)line.len;
    return 0;
}

int wr_audit_append(struct wr_audit *audit, const struct wr_value *record, struct wr_error *err)
{
    if (!audit || !record)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s is missing (NULL)",
                       audit ? "the record" : "the audit log");
    (void)pthread_mutex_lock(&audit->lock);
    int r = wr_audit_file_lock(audit->fd, LOCK_EX, audit->path, err);
    if (r == 0) {
        r = append_locked(audit, record, err);
        (void)flock(audit->fd, LOCK_UN);
    }
    (void)pthread_mutex_unlock(&audit->lock);
    return r;
}
