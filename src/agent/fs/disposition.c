#include "agent/fs/disposition.h"

#include "base/str.h"
#include "http/uri.h"

#define TOKEN                                              \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
    "0123456789!#$%&'*+-.^_`|~"
#define BLANKS " \t"

/* Writes bytes with NUL; remembers whether they fit. */
struct sink {
    char *out;
    size_t cap, len;
    bool fits;
};

static void put(struct sink *sink, char c)
{
    if (sink->len + 1 < sink->cap)
        sink->out[sink->len++] = c;
    else
        sink->fits = false;
    sink->out[sink->len] = '\0';
}

/* A token or a quoted string at *at, which is moved behind it. False when it is neither. */
static bool read_value(const char **at, struct sink *sink)
{
    const char *p = *at;

    if (*p != '"') {
        size_t len = strspn(p, TOKEN);
        for (size_t i = 0; i < len; i++)
            put(sink, p[i]);
        *at = p + len;
        return len > 0;
    }
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
            p++;
        put(sink, *p);
    }
    *at = p + (*p == '"');
    return *p == '"';
}

enum wr_param wr_header_param(const char *field, const char *name, char *out, size_t cap)
{
    enum wr_param result = WR_PARAM_ABSENT;
    char skipped[1];
    const char *p = field + strcspn(field, ";");

    out[0] = '\0';
    while (*p == ';') {
        p += 1 + strspn(p + 1, BLANKS);
        if (*p == ';' || *p == '\0')
            continue; /* nothing between two semicolons, or behind the last */
        size_t len = strspn(p, TOKEN);
        bool wanted = wr_memcaseeq(p, len, name, strlen(name));
        struct sink sink = {wanted ? out : skipped, wanted ? cap : sizeof(skipped), 0, true};
        p += len;
        if (len == 0 || *p++ != '=' || !read_value(&p, &sink) ||
            (wanted && (result == WR_PARAM_FOUND || !sink.fits)))
            return WR_PARAM_BAD;
        if (wanted)
            result = WR_PARAM_FOUND;
        p += strspn(p, BLANKS);
    }
    return *p == '\0' ? result : WR_PARAM_BAD;
}

/* UTF-8''a%20b */
static bool decode_extended(const char *value, char *out, size_t cap)
{
    static const char charset[] = "utf-8'";
    size_t len = strlen(charset);
    const char *quote = strlen(value) > len ? strchr(value + len, '\'') : NULL;

    return quote && wr_memcaseeq(value, len, charset, len) &&
           wr_uri_decode_segment(quote + 1, strlen(quote + 1), out, cap);
}

static int malformed(struct wr_error *err, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "error parsing multipart form: %s", why);
}

static int read_params(const char *field, struct wr_multipart_part *ret, struct wr_error *err)
{
    char extended[PATH_MAX];

    enum wr_param name = wr_header_param(field, "name", ret->name, sizeof(ret->name));
    enum wr_param plain = wr_header_param(field, "filename", ret->filename, sizeof(ret->filename));
    enum wr_param other = wr_header_param(field, "filename*", extended, sizeof(extended));
    if (name == WR_PARAM_BAD || plain == WR_PARAM_BAD || other == WR_PARAM_BAD)
        return malformed(err, "a Content-Disposition is malformed or too long");
    if (other == WR_PARAM_FOUND && !decode_extended(extended, ret->filename, sizeof(ret->filename)))
        return malformed(err, "a filename* is not percent-encoded UTF-8");
    ret->has_filename = plain == WR_PARAM_FOUND || other == WR_PARAM_FOUND;
    return 0;
}

static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!s[i] || !strchr(TOKEN, s[i]))
            return false;
    return true;
}

/* One line without its break. */
static int read_field(const char *line, size_t len, bool *found, struct wr_multipart_part *ret,
                      struct wr_error *err)
{
    static const char wanted[] = "Content-Disposition";
    char value[WR_MULTIPART_HEAD_MAX / 2];
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : 0;

    if (name_len == 0 || memchr(line, '\0', len) || memchr(line, '\n', len) ||
        memchr(line, '\r', len) || !is_token(line, name_len))
        return malformed(err, "the head of a part is malformed");
    if (!wr_memcaseeq(line, name_len, wanted, strlen(wanted)))
        return 0;
    if (*found)
        return malformed(err, "a part has two Content-Dispositions");
    *found = true;
    size_t value_len = len - name_len - 1;
    if (value_len >= sizeof(value))
        return malformed(err, "a Content-Disposition is malformed or too long");
    memcpy(value, colon + 1, value_len);
    value[value_len] = '\0';
    return read_params(value, ret, err);
}

int wr_disposition_read(const char *head, size_t len, struct wr_multipart_part *ret,
                        struct wr_error *err)
{
    bool found = false;

    ret->name[0] = ret->filename[0] = '\0';
    ret->has_filename = false;
    for (;;) {
        const char *end = memmem(head, len, "\r\n", 2);
        if (!end)
            return malformed(err, "the head of a part is malformed");
        size_t line_len = (size_t)(end - head);
        if (line_len == 0)
            return 0;
        int rc = read_field(head, line_len, &found, ret, err);
        if (rc < 0)
            return rc;
        head = end + 2;
        len -= line_len + 2;
    }
}
