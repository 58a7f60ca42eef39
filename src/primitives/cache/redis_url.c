#include "primitives/cache/redis_url.h"

#include <string.h>

#include "base/encode.h"
#include "base/parse.h"
#include "base/str.h"

#define DEFAULT_PORT 6379
#define DB_MAX       65535
#define PART_MAX     1024 /* bytes of a part before it is decoded */

static int refuse(struct wr_error *err, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "the URL of a Redis: %s; it looks like redis://user:password@host:6379/0 or "
                   "unix:///path",
                   why);
}

/* False for what is not percent-encoded text without NUL that fits. */
static bool decode(const char *text, size_t len, char *out, size_t cap)
{
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = len - i > 2 ? wr_hex_value(text[i + 1]) : -1;
            int low = high >= 0 ? wr_hex_value(text[i + 2]) : -1;
            if (low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || used + 1 >= cap)
            return false;
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return true;
}

/* "user:password@" at the front; *text moves behind it. */
static bool read_secrets(const char **text, struct wr_redis_target *target)
{
    size_t end = strcspn(*text, "/?#");
    const char *at = memrchr(*text, '@', end);
    const char *colon = at ? memchr(*text, ':', (size_t)(at - *text)) : NULL;

    if (!at)
        return true;
    if (!colon || !decode(*text, (size_t)(colon - *text), target->user, sizeof target->user) ||
        !decode(colon + 1, (size_t)(at - colon - 1), target->password, sizeof target->password) ||
        !*target->password)
        return false;
    *text = at + 1;
    return true;
}

static bool read_host(const char *text, size_t len, struct wr_redis_target *target)
{
    bool six = len > 0 && text[0] == '[';
    const char *end = six ? memchr(text, ']', len) : memchr(text, ':', len);
    const char *port = six && end ? end + 1 : end;
    uint64_t number = DEFAULT_PORT;
    char digits[8];

    if (six && !end)
        return false;
    size_t host_len = end ? (size_t)(end - text) : len;
    size_t port_len = port ? (size_t)(text + len - port) : 0;
    if (port_len > 0 && (*port != ':' || !decode(port + 1, port_len - 1, digits, sizeof digits) ||
                         wr_parse_u64(digits, 1, UINT16_MAX, &number) < 0))
        return false;
    target->port = (uint16_t)number;
    return decode(text + six, host_len - six, target->host, sizeof target->host) && *target->host;
}

static bool read_db(const char *text, struct wr_redis_target *target)
{
    uint64_t number = 0;

    if (*text && wr_parse_u64(text, 0, DB_MAX, &number) < 0)
        return false;
    target->db = (unsigned)number;
    return true;
}

static const char *read_tcp(const char *text, struct wr_redis_target *target)
{
    size_t len = strcspn(text, "/");

    if (!read_host(text, len, target))
        return "its host or port is not valid";
    return read_db(text[len] ? text + len + 1 : "", target) ? NULL
                                                            : "what follows the host is no number";
}

static const char *read_unix(const char *text, struct wr_redis_target *target)
{
    size_t len = strcspn(text, "?");
    const char *query = text[len] ? text + len + 1 : "";

    if (*text != '/' || !decode(text, len, target->path, sizeof target->path))
        return "the path of its socket is not absolute, or too long";
    if (*query && !wr_starts_with(query, "db="))
        return "it has a query other than db";
    return read_db(*query ? query + strlen("db=") : "", target) ? NULL : "its db is no number";
}

int wr_redis_url_parse(const char *url, struct wr_redis_target *ret, struct wr_error *err)
{
    static const struct {
        const char *start;
        const char *(*read)(const char *text, struct wr_redis_target *target);
    } schemes[] = {{"redis://", read_tcp}, {"unix://", read_unix}};
    struct wr_redis_target target = {0};
    const char *why = "it begins with neither redis:// nor unix://";

    for (size_t i = 0; i < WR_ARRAY_SIZE(schemes) && strlen(url) < PART_MAX; i++) {
        if (!wr_starts_with(url, schemes[i].start))
            continue;
        const char *text = url + strlen(schemes[i].start);
        why = read_secrets(&text, &target) ? schemes[i].read(text, &target)
                                           : "its user and password are not valid";
    }
    if (!why)
        *ret = target;
    explicit_bzero(&target, sizeof target);
    return why ? refuse(err, why) : 0;
}
