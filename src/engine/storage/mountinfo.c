#include "engine/storage/mountinfo.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"

/* Blanks, tabs, newlines and backslashes are written as three octal digits. */
static void unescape(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
}

static bool parse_line(char *line, struct wr_mountinfo *ret)
{
    enum { ID = 0, ROOT = 3, MOUNT_POINT = 4, OPTIONS = 5, FIXED = 6 };
    char *before[FIXED] = {NULL};
    char *after[3] = {NULL};
    size_t count = 0, tail = 0;
    bool separator = false;
    char *save = NULL;

    for (char *field = strtok_r(line, " ", &save); field; field = strtok_r(NULL, " ", &save)) {
        if (count < FIXED) {
            before[count++] = field;
        } else if (!separator) {
            separator = wr_streq(field, "-"); /* optional fields end here */
        } else if (tail < WR_ARRAY_SIZE(after)) {
            after[tail++] = field;
        }
    }
    uint64_t id = 0;
    if (count < FIXED || tail < WR_ARRAY_SIZE(after) ||
        wr_parse_u64(before[ID], 0, UINT64_MAX, &id) < 0)
        return false;
    unescape(before[ROOT]);
    unescape(before[MOUNT_POINT]);
    unescape(after[1]);
    *ret = (struct wr_mountinfo){
        .id = id,
        .root = before[ROOT],
        .mount_point = before[MOUNT_POINT],
        .options = before[OPTIONS],
        .fs_type = after[0],
        .source = after[1],
        .super_options = after[2],
    };
    return true;
}

bool wr_mountinfo_next(char **cursor, struct wr_mountinfo *ret)
{
    while (**cursor) {
        char *line = *cursor;
        char *end = strchr(line, '\n');
        if (end) {
            *end = '\0';
            *cursor = end + 1;
        } else {
            *cursor = line + strlen(line);
        }
        if (parse_line(line, ret))
            return true;
    }
    return false;
}

bool wr_mountinfo_has_option(const char *list, const char *option)
{
    size_t len = strlen(option);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, option, len) == 0 && (at[len] == '\0' || at[len] == ','))
            return true;
    }
    return false;
}

int wr_mountinfo_read(struct wr_buf *out, char **ret_text)
{
    int r = wr_file_read(AT_FDCWD, "/proc/self/mountinfo", out);
    if (r < 0)
        return r;
    char *text = wr_buf_cstr(out);
    if (!text)
        return -ENOMEM;
    *ret_text = text;
    return 0;
}
