#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/secure/audit_file.h"

#define READ_BYTES ((size_t)64 * 1024)

struct verification {
    const char *path;
    const char *expected_hash; /* NULL: none */
    bool found_expected;
    struct wr_audit_link link;
    char first_time[25], last_time[25];
};

/* A line that is whole in itself and follows the one before. */
static int check_line(struct verification *v, const char *line, size_t len, struct wr_error *err)
{
    uint64_t number = v->link.seq + 1; /* lines and records are counted alike */
    struct wr_audit_line read;
    struct wr_error why = {0};

    if (wr_audit_line_read(line, len, &read, &why) < 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "%.80s: line %" PRIu64 " %.120s", v->path, number,
                       why.msg);
    if (read.link.seq != number)
        return wr_fail(err, WR_E_DATA_LOSS, 0,
                       "%.80s: line %" PRIu64 " has the number %" PRIu64 ": %s", v->path, number,
                       read.link.seq,
                       read.link.seq > number ? "lines before it are missing" : "it was moved");
    if (!wr_streq(read.prev, v->link.hash))
        return wr_fail(err, WR_E_DATA_LOSS, 0,
                       "%.80s: line %" PRIu64 " follows another line than the one before it",
                       v->path, number);
    v->link = read.link;
    if (number == 1)
        memcpy(v->first_time, read.time, sizeof v->first_time);
    memcpy(v->last_time, read.time, sizeof v->last_time);
    if (v->expected_hash && wr_streq(v->expected_hash, v->link.hash))
        v->found_expected = true;
    return 0;
}

/* The lines that `held` has whole. */
static int check_lines(struct verification *v, struct wr_buf *held, struct wr_error *err)
{
    for (;;) {
        const char *text = wr_buf_ptr(held);
        const char *end = held->len ? memchr(text, '\n', held->len) : NULL;
        if (!end)
            return 0;
        int r = check_line(v, text, (size_t)(end - text), err);
        if (r < 0)
            return r;
        wr_buf_consume(held, (size_t)(end - text) + 1);
    }
}

/* Writers may add while this reads: only `size` bytes count. */
static int check_file(struct verification *v, int fd, off_t size, struct wr_error *err)
{
    wr_auto_buf held = WR_BUF(WR_AUDIT_LINE_MAX + READ_BYTES);

    for (off_t left = size; left > 0;) {
        size_t want = (size_t)WR_MIN((uint64_t)left, (uint64_t)READ_BYTES);
        char *into = wr_buf_reserve(&held, want);
        if (!into)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%.80s", v->path);
        ssize_t got = wr_read_full(fd, into, want);
        if (got < (ssize_t)want)
            return wr_fail(err, WR_E_DATA_LOSS, got < 0 ? (int)-got : 0,
                           "%.80s: became shorter while it was read", v->path);
        wr_buf_commit(&held, want);
        left -= (off_t)want;
        int r = check_lines(v, &held, err);
        if (r < 0)
            return r;
        if (held.len > WR_AUDIT_LINE_MAX)
            return wr_fail(err, WR_E_DATA_LOSS, 0,
                           "%.80s: line %" PRIu64 " has no end within %zu bytes", v->path,
                           v->link.seq + 1, WR_AUDIT_LINE_MAX);
    }
    if (held.len > 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0,
                       "%.80s: line %" PRIu64 " is not whole, its writer was stopped; cut it off "
                       "with `truncate -s %lld`",
                       v->path, v->link.seq + 1, (long long)size - (long long)held.len);
    return 0;
}

static int report(const struct verification *v, struct wr_value **ret, struct wr_error *err)
{
    bool any = v->link.seq > 0;
    json_t *json =
        json_pack("{s:I, s:o, s:o, s:s}", "records", (json_int_t)v->link.seq, "first_time",
                  any ? json_string(v->first_time) : json_null(), "last_time",
                  any ? json_string(v->last_time) : json_null(), "last_hash", v->link.hash);

    if (!json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit report");
    *ret = wr_value_of_json(json);
    return 0;
}

int wr_audit_verify(const char *path, const char *expected_hash, struct wr_value **ret,
                    struct wr_error *err)
{
    wr_auto_close int fd = -1;
    struct verification v = {.path = path, .expected_hash = expected_hash};
    struct stat st;

    wr_audit_link_init(&v.link);
    if (!path || (expected_hash && !wr_str_only(expected_hash, "0123456789abcdef",
                                                WR_AUDIT_HASH_LEN, WR_AUDIT_HASH_LEN)))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s",
                       path ? "a hash is 64 lower-case hex digits" : "an audit log has a path");
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "%.100s", path);
    int r = wr_audit_file_lock(fd, LOCK_SH, path, err);
    if (r < 0)
        return r;
    r = fstat(fd, &st);
    (void)flock(fd, LOCK_UN);
    if (r < 0 || !S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.100s: no regular file", path);
    v.found_expected = expected_hash && wr_streq(expected_hash, v.link.hash);
    r = check_file(&v, fd, st.st_size, err);
    if (r < 0)
        return r;
    if (expected_hash && !v.found_expected)
        return wr_fail(err, WR_E_DATA_LOSS, 0,
                       "%.80s: has %" PRIu64 " whole records, but not the one with the hash "
                       "%.16s...: its end was cut off, or it is another log",
                       path, v.link.seq, expected_hash);
    return report(&v, ret, err);
}
