#include "agent/user.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

struct slice {
    const char *ptr;
    size_t len;
};

static bool slice_is(const struct slice *s, const char *text)
{
    size_t len = strlen(text);
    return s->len == len && memcmp(s->ptr, text, len) == 0;
}

/* The next line without its newline; false at the end. Lines that are too long or hold a NUL come
 * back empty. */
static bool next_line(const char **text, size_t *len, struct slice *line)
{
    if (*len == 0)
        return false;
    const char *newline = memchr(*text, '\n', *len);
    size_t line_len = newline ? (size_t)(newline - *text) : *len;
    size_t step = newline ? line_len + 1 : line_len;

    *line = (struct slice){.ptr = *text, .len = line_len};
    if (line_len > WR_USER_LINE_MAX || memchr(*text, '\0', line_len))
        line->len = 0;
    *text += step;
    *len -= step;
    return true;
}

/* Splits at every `separator`; false unless there are exactly `count` fields. */
static bool split(struct slice line, char separator, struct slice *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *end = memchr(line.ptr, separator, line.len);
        bool last = i + 1 == count;
        if (last != (end == NULL))
            return false;
        fields[i] = (struct slice){line.ptr, end ? (size_t)(end - line.ptr) : line.len};
        if (end) {
            line.len -= fields[i].len + 1;
            line.ptr = end + 1;
        }
    }
    return true;
}

/* Decimal digits up to 2^32-2: the highest value means "no change" to the kernel. */
static bool parse_id(const struct slice *s, uint32_t *ret)
{
    uint64_t value = 0;
    if (s->len == 0 || s->len > 10)
        return false;
    for (size_t i = 0; i < s->len; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s->ptr[i] - '0');
    }
    if (value >= UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    return true;
}

bool wr_user_find(const char *passwd, size_t len, const char *name, struct wr_user *out)
{
    size_t name_len = strlen(name);
    struct slice line;
    if (name_len == 0 || name_len >= WR_USER_NAME_MAX || strchr(name, ':') || strchr(name, '\n'))
        return false;

    while (next_line(&passwd, &len, &line)) {
        struct slice fields[WR_USER_PASSWD_FIELDS];
        uint32_t uid = 0, gid = 0;
        if (line.len == 0 || !split(line, ':', fields, WR_USER_PASSWD_FIELDS) ||
            !slice_is(&fields[0], name) || !parse_id(&fields[2], &uid) ||
            !parse_id(&fields[3], &gid))
            continue;
        const struct slice *home = &fields[5];
        if (home->len >= WR_USER_HOME_MAX)
            continue;
        *out = (struct wr_user){.uid = uid, .gid = gid, .group_count = 1, .groups = {gid}};
        memcpy(out->name, name, name_len);
        if (home->len > 0 && home->ptr[0] == '/') {
            memcpy(out->home, home->ptr, home->len);
        } else {
            out->home[0] = '/';
        }
        return true;
    }
    return false;
}

static bool lists_member(struct slice members, const char *name)
{
    while (members.len > 0) {
        const char *comma = memchr(members.ptr, ',', members.len);
        struct slice member = {members.ptr, comma ? (size_t)(comma - members.ptr) : members.len};
        if (slice_is(&member, name))
            return true;
        if (!comma)
            return false;
        members.len -= member.len + 1;
        members.ptr = comma + 1;
    }
    return false;
}

static bool has_group(const struct wr_user *user, gid_t gid)
{
    for (size_t i = 0; i < user->group_count; i++) {
        if (user->groups[i] == gid)
            return true;
    }
    return false;
}

void wr_user_add_groups(const char *group, size_t len, struct wr_user *user)
{
    struct slice line;
    while (user->group_count < WR_USER_MAX_GROUPS && next_line(&group, &len, &line)) {
        struct slice fields[WR_USER_GROUP_FIELDS];
        uint32_t gid = 0;
        if (line.len == 0 || !split(line, ':', fields, WR_USER_GROUP_FIELDS) ||
            !parse_id(&fields[2], &gid))
            continue;
        if (lists_member(fields[3], user->name) && !has_group(user, gid))
            user->groups[user->group_count++] = gid;
    }
}

bool wr_user_name_of(const char *text, size_t len, size_t field_count, uint32_t id,
                     char out[static WR_USER_NAME_MAX])
{
    struct slice line;

    while (next_line(&text, &len, &line)) {
        struct slice fields[WR_USER_PASSWD_FIELDS];
        uint32_t found = 0;
        if (line.len == 0 || !split(line, ':', fields, field_count) ||
            !parse_id(&fields[2], &found) || found != id)
            continue;
        if (fields[0].len == 0 || fields[0].len >= WR_USER_NAME_MAX)
            continue;
        memcpy(out, fields[0].ptr, fields[0].len);
        out[fields[0].len] = '\0';
        return true;
    }
    return false;
}

/* The file may have become a FIFO or a device: never wait, read regular files only. A longer file
 * is cut at the maximum. */
int wr_user_read_file(const char *path, struct wr_buf *out)
{
    wr_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    while (wr_buf_room(out) > 0) {
        size_t want = WR_MIN(wr_buf_room(out), (size_t)16384);
        char *at = wr_buf_reserve(out, want);
        if (!at)
            return -ENOMEM;
        ssize_t n = read(fd, at, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        wr_buf_commit(out, (size_t)n);
    }
    return 0;
}

int wr_user_lookup(const char *name, struct wr_user *out, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_USER_FILE_MAX);
    int rc = wr_user_read_file("/etc/passwd", &text);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "the sandbox's /etc/passwd cannot be read");
    if (!wr_user_find(wr_buf_ptr(&text), text.len, name, out))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "user: unknown user %s", name);

    wr_buf_clear(&text);
    /* Without a readable group file the user simply has no further groups. */
    if (wr_user_read_file("/etc/group", &text) == 0)
        wr_user_add_groups(wr_buf_ptr(&text), text.len, out);
    return 0;
}
