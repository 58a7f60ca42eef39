#include "client/url.h"

#include <arpa/inet.h>

#include "base/parse.h"
#include "base/str.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-._"
/* Of a path: what RFC 3986 lets stand there, without what would end it. */
#define PATH_CHARS \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/%"

static const struct scheme {
    const char *start;
    bool tls;
    uint16_t port;
} schemes[] = {{"https://", true, 443}, {"http://", false, 80}};

/* The text is not told: a URL may hold a password. */
static int refuse(struct wr_error *err, const char *what, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: %s; it has to look like https://host:port",
                   what, why);
}

static const struct scheme *scheme_of(const char *text)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(schemes); i++)
        if (strncasecmp(text, schemes[i].start, strlen(schemes[i].start)) == 0)
            return &schemes[i];
    return NULL;
}

static bool host_is_valid(const char *host)
{
    size_t len = strlen(host);

    return wr_str_only(host, NAME_CHARS, 1, WR_URL_HOST_MAX - 1) && host[0] != '.' &&
           host[0] != '-' && !strstr(host, "..") && host[len - 1] != '-';
}

/* `len` bytes of "name", "name:port", "[address]" or "[address]:port". */
static bool read_authority(const char *text, size_t len, const struct scheme *scheme,
                           struct wr_url *url)
{
    char all[WR_URL_AUTHORITY_MAX];
    uint64_t port = scheme->port;
    struct in6_addr address;

    if (len >= sizeof all)
        return false;
    for (size_t i = 0; i < len; i++)
        all[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    all[len] = '\0';
    bool six = all[0] == '[';
    char *host = six ? all + 1 : all, *end = strchr(host, six ? ']' : ':');
    const char *colon = end;
    if (six) {
        if (!end)
            return false;
        *end = '\0';
        colon = end + 1;
    } else if (end) {
        *end = '\0';
    }
    if (six ? inet_pton(AF_INET6, host, &address) != 1 : !host_is_valid(host))
        return false;
    /* Of a name the colon is gone already. */
    bool has_port = six ? *colon != '\0' : colon != NULL;
    if ((has_port && six && *colon != ':') ||
        (has_port && wr_parse_u64(colon + 1, 1, UINT16_MAX, &port) < 0))
        return false;
    url->port = (uint16_t)port;
    return wr_strcopy(url->host, sizeof url->host, host) &&
           (port == scheme->port
                ? wr_strformat(url->authority, sizeof url->authority, six ? "[%s]" : "%s", host)
                : wr_strformat(url->authority, sizeof url->authority, six ? "[%s]:%u" : "%s:%u",
                               host, (unsigned)port));
}

int wr_url_parse(const char *text, const char *what, struct wr_url *ret, struct wr_error *err)
{
    const struct scheme *scheme = scheme_of(text);
    struct wr_url url = {0};

    if (!scheme)
        return refuse(err, what, "it begins with neither http:// nor https://");
    const char *rest = text + strlen(scheme->start);
    size_t len = strcspn(rest, "/?#");
    url.tls = scheme->tls;
    if (memchr(rest, '@', len))
        return refuse(err, what, "a user name or password is not understood there");
    if (!read_authority(rest, len, scheme, &url))
        return refuse(err, what, "its host or port is not valid");
    const char *path = rest + len;
    size_t path_len = strlen(path);
    while (path_len > 0 && path[path_len - 1] == '/')
        path_len--;
    if (strpbrk(path, "?#"))
        return refuse(err, what, "a query or fragment is not understood there");
    if (path_len >= sizeof url.prefix)
        return refuse(err, what, "its path is too long");
    memcpy(url.prefix, path, path_len);
    if (!wr_str_only(url.prefix, PATH_CHARS, 0, sizeof url.prefix))
        return refuse(err, what, "its path has characters that no path can have");
    *ret = url;
    return 0;
}
