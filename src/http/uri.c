#include "http/uri.h"

#include <string.h>

#include "base/encode.h"
#include "base/str.h"

/* One character at s[*pos], decoded: 0..255, or -1 for a bad escape, a NUL or a control byte. */
static int decode_one(const char *s, size_t len, size_t *pos, bool plus_is_blank)
{
    unsigned char c = (unsigned char)s[*pos];

    *pos += 1;
    if (c == '+' && plus_is_blank)
        return ' ';
    if (c != '%')
        return c >= 0x20 && c != 0x7f ? c : -1;
    if (len - *pos < 2)
        return -1;
    int high = wr_hex_value(s[*pos]), low = wr_hex_value(s[*pos + 1]);
    *pos += 2;
    return high < 0 || low < 0 || (high == 0 && low == 0) ? -1 : high * 16 + low;
}

/* "." or ".." as a whole segment: such a path means something else to whoever resolves it. */
static bool has_dot_segment(const char *path)
{
    for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
        p++;
        size_t n = strcspn(p, "/");
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return true;
    }
    return false;
}

static int bad_path(struct wr_error *err, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "bad request path: %s", why);
}

/* Where the path of an http(s) URL starts; 0 for other forms. */
static size_t skip_authority(const char *target, size_t len)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(schemes); i++) {
        size_t pos = strlen(schemes[i]);
        if (len <= pos || !wr_memcaseeq(target, pos, schemes[i], pos))
            continue;
        while (pos < len && target[pos] != '/' && target[pos] != '?')
            pos++;
        return pos;
    }
    return 0;
}

int wr_uri_split(const char *target, size_t len, char *path, size_t path_cap,
                 const char **ret_query, size_t *ret_query_len, struct wr_error *err)
{
    size_t pos = skip_authority(target, len), used = 0;
    size_t first = pos;

    /* An absolute URL may have no path at all; that is "/". */
    if (first > 0 && (pos == len || target[pos] == '?')) {
        if (path_cap < 2)
            return bad_path(err, "too long");
        path[used++] = '/';
    } else if (pos == len || target[pos] != '/') {
        return bad_path(err, "it does not start with \"/\"");
    }
    while (pos < len && target[pos] != '?') {
        int c = decode_one(target, len, &pos, false);
        if (c < 0)
            return bad_path(err, "bad escape or control byte");
        if (used + 1 >= path_cap)
            return bad_path(err, "too long");
        path[used++] = (char)c;
    }
    path[used] = '\0';
    if (has_dot_segment(path))
        return bad_path(err, "\".\" and \"..\" are not allowed");
    *ret_query = pos < len ? target + pos + 1 : target + len;
    *ret_query_len = pos < len ? len - pos - 1 : 0;
    return 0;
}

const char *wr_uri_raw_path(const char *target, size_t len, size_t *ret_len)
{
    size_t pos = skip_authority(target, len);
    const char *query = memchr(target + pos, '?', len - pos);

    *ret_len = query ? (size_t)(query - target) - pos : len - pos;
    return target + pos;
}

bool wr_uri_decode_segment(const char *s, size_t len, char *out, size_t cap)
{
    size_t used = 0;

    for (size_t pos = 0; pos < len;) {
        int c = decode_one(s, len, &pos, false);
        if (c < 0 || used + 1 >= cap)
            return false;
        out[used++] = (char)c;
    }
    if (used >= cap)
        return false;
    out[used] = '\0';
    return true;
}

static bool name_matches(const char *s, size_t len, const char *name)
{
    size_t pos = 0;

    for (; *name; name++)
        if (pos >= len || decode_one(s, len, &pos, true) != (unsigned char)*name)
            return false;
    return pos == len;
}

static int decode_value(const char *s, size_t len, const char *name, char *out, size_t cap,
                        struct wr_error *err)
{
    size_t used = 0;

    /* Once to check, once to store: `out` is untouched on failure. */
    for (size_t pos = 0; pos < len; used++)
        if (decode_one(s, len, &pos, true) < 0)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "query parameter \"%s\": bad escape or control byte", name);
    if (used >= cap)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "query parameter \"%s\" is longer than %zu bytes", name, cap - 1);
    used = 0;
    for (size_t pos = 0; pos < len;)
        out[used++] = (char)decode_one(s, len, &pos, true);
    out[used] = '\0';
    return 1;
}

int wr_uri_query_get(const char *query, size_t query_len, const char *name, char *out, size_t cap,
                     struct wr_error *err)
{
    size_t pos = 0;

    while (pos < query_len) {
        const char *pair = query + pos;
        const char *amp = memchr(pair, '&', query_len - pos);
        size_t pair_len = amp ? (size_t)(amp - pair) : query_len - pos;
        const char *equals = memchr(pair, '=', pair_len);
        size_t name_len = equals ? (size_t)(equals - pair) : pair_len;

        if (pair_len > 0 && name_matches(pair, name_len, name)) {
            size_t skip = equals ? name_len + 1 : name_len;
            return decode_value(pair + skip, pair_len - skip, name, out, cap, err);
        }
        pos += pair_len + 1;
    }
    return 0;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

bool wr_uri_encode(const char *s, char *out, size_t cap)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;

    for (; *s; s++) {
        bool plain = is_unreserved(*s) || *s == '/';
        if (used + (plain ? 1 : 3) >= cap)
            return false;
        if (plain) {
            out[used++] = *s;
        } else {
            out[used++] = '%';
            out[used++] = digits[(unsigned char)*s >> 4];
            out[used++] = digits[(unsigned char)*s & 15];
        }
    }
    if (used >= cap)
        return false;
    out[used] = '\0';
    return true;
}
