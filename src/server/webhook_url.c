#include "server/webhook_url.h"

#include <string.h>

#include "base/parse.h"
#include "base/str.h"

#define NAME_SET "abcdefghijklmnopqrstuvwxyz0123456789-."

static int invalid(struct wr_error *err, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "url: %s", why);
}

static bool printable(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '#' || *p == '"' || *p == '<' || *p == '>' || *p == '\\')
            return false;
    return true;
}

/* Labels of letters, digits and dashes; one of only digits at the end would be half an address. */
static bool is_name(const char *host)
{
    const char *last = strrchr(host, '.');

    last = last ? last + 1 : host;
    return wr_str_only(host, NAME_SET, 1, WR_POLICY_MAX_DOMAIN) && host[0] != '.' &&
           !strstr(host, "..") && *last && strspn(last, "0123456789") < strlen(last);
}

static int read_port(const char *text, struct wr_webhook_url *url, struct wr_error *err)
{
    uint64_t port = url->tls ? 443 : 80;

    if (*text && (*text != ':' || wr_parse_u64(text + 1, 1, UINT16_MAX, &port) < 0))
        return invalid(err, "the port has to be 1 to 65535");
    url->port = (uint16_t)port;
    return 0;
}

/* `text` is what is between the slashes: host[:port]. */
static int read_authority(const char *text, struct wr_webhook_url *url, struct wr_error *err)
{
    bool bracket = text[0] == '[';
    size_t len = bracket ? strcspn(text + 1, "]") : strcspn(text, ":");
    const char *host = bracket ? text + 1 : text;

    if (strchr(text, '@'))
        return invalid(err, "a user name or password has no place in it");
    if (len >= sizeof url->host || (bracket && host[len] != ']'))
        return invalid(err, "the host is no name and no address");
    memcpy(url->host, host, len);
    url->host[len] = '\0';
    for (char *p = url->host; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    url->is_address = wr_ip_parse(url->host, &url->address);
    if (bracket ? !url->is_address || !strchr(url->host, ':')
                : !url->is_address && !is_name(url->host))
        return invalid(err, "the host is no name and no address");
    int r = read_port(host + len + (bracket ? 1 : 0), url, err);
    if (r < 0)
        return r;
    bool usual = url->port == (url->tls ? 443 : 80);
    char port[8] = "";
    if (!usual && !wr_strformat(port, sizeof port, ":%u", url->port))
        return invalid(err, "the port is too long");
    return wr_strformat(url->authority, sizeof url->authority, "%s%s%s%s", bracket ? "[" : "",
                        url->host, bracket ? "]" : "", port)
               ? 0
               : invalid(err, "the host is too long");
}

int wr_webhook_url_parse(const char *text, struct wr_webhook_url *ret, struct wr_error *err)
{
    struct wr_webhook_url url = {.tls = wr_starts_with(text, "https://")};
    char authority[WR_POLICY_MAX_DOMAIN + 16];

    if (!url.tls && !wr_starts_with(text, "http://"))
        return invalid(err, "it has to begin with https:// or http://");
    if (strlen(text) > WR_WEBHOOK_URL_MAX)
        return invalid(err, "it is longer than 2048 bytes");
    if (!printable(text))
        return invalid(err, "blanks, control characters, quotes and # have to be encoded");
    const char *at = strstr(text, "://") + 3;
    size_t len = strcspn(at, "/?");
    if (!wr_strformat(authority, sizeof authority, "%.*s", (int)WR_MIN(len, (size_t)INT32_MAX), at))
        return invalid(err, "the host is too long");
    int r = read_authority(authority, &url, err);
    if (r < 0)
        return r;
    if (!wr_strformat(url.target, sizeof url.target, "%s%s", at[len] == '/' ? "" : "/", at + len))
        return invalid(err, "it is too long");
    *ret = url;
    return 0;
}
