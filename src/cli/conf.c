#include "cli/conf.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/str.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts blanks at both ends, in place. */
static char *trim(char *start, char *end)
{
    while (start < end && is_blank(*start))
        start++;
    while (end > start && (is_blank(end[-1]) || end[-1] == '\r'))
        end--;
    *end = '\0';
    return start;
}

static char *find_comment(char *start, char *end)
{
    for (char *p = start; p < end; p++)
        if (*p == '#' && (p == start || is_blank(p[-1])))
            return p;
    return end;
}

/* One line without its newline; `end` may be overwritten. */
static int parse_line(struct wr_conf *conf, char *start, char *end, unsigned number,
                      struct wr_error *err)
{
    end = find_comment(start, end);
    char *equals = memchr(start, '=', (size_t)(end - start));

    if (*trim(start, end) == '\0')
        return 0;
    if (!equals)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%s:%u: \"%.40s\" is no setting; a line is `name = value` or begins with #",
                       conf->path, number, trim(start, end));
    char *name = trim(start, equals);
    char *value = trim(equals + 1, end);
    if (!wr_str_only(name, "abcdefghijklmnopqrstuvwxyz0123456789-", 1, 64))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s:%u: \"%.40s\" is not a name of a setting",
                       conf->path, number, name);
    for (size_t i = 0; i < conf->count; i++)
        if (wr_streq(conf->entries[i].name, name))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s:%u: %s was set in line %u already",
                           conf->path, number, name, conf->entries[i].line);
    if (conf->count == WR_CONF_MAX_ENTRIES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s:%u: more than %d settings", conf->path,
                       number, WR_CONF_MAX_ENTRIES);
    conf->entries[conf->count++] =
        (struct wr_conf_entry){.name = name, .value = value, .line = number};
    return 0;
}

/* conf->text holds the file. */
static int parse_text(struct wr_conf *conf, struct wr_error *err)
{
    char *text = wr_buf_cstr(&conf->text);
    unsigned number = 1;
    int r = 0;

    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%s", conf->path);
    char *end = text + conf->text.len;
    if (memchr(text, '\0', conf->text.len) || !wr_utf8_valid(text, conf->text.len))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: not a text in UTF-8", conf->path);
    while (r == 0 && text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *stop = newline ? newline : end;
        r = parse_line(conf, text, stop, number++, err);
        text = stop + 1;
    }
    return r;
}

int wr_conf_read(struct wr_conf *conf, const char *path, bool optional, struct wr_error *err)
{
    wr_buf_init(&conf->text, WR_CONF_MAX_BYTES);
    int r = wr_file_read(AT_FDCWD, path, &conf->text);

    if (optional && (r == -ENOENT || r == -EACCES || r == -ENOTDIR))
        return 0;
    if (r == -EFBIG)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: larger than %zu KiB", path,
                       WR_CONF_MAX_BYTES / 1024);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "read the configuration file %s", path);
    conf->path = path;
    return parse_text(conf, err);
}

int wr_conf_parse(struct wr_conf *conf, const char *path, const void *text, size_t len,
                  struct wr_error *err)
{
    wr_buf_init(&conf->text, WR_CONF_MAX_BYTES);
    conf->path = path;
    if (wr_buf_append(&conf->text, text, len) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: larger than %zu KiB", path,
                       WR_CONF_MAX_BYTES / 1024);
    return parse_text(conf, err);
}

const struct wr_conf_entry *wr_conf_find(const struct wr_conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->count; i++)
        if (wr_streq(conf->entries[i].name, name))
            return &conf->entries[i];
    return NULL;
}

void wr_conf_done(struct wr_conf *conf)
{
    wr_buf_done(&conf->text);
    conf->count = 0;
    conf->path = NULL;
}
