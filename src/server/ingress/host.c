#include "server/ingress/host.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length without ":port"; the colons of "[::1]" are not one's. */
static size_t without_port(const char *host, size_t len)
{
    size_t end = len;

    while (end > 0 && is_digit(host[end - 1]))
        end--;
    return end > 0 && host[end - 1] == ':' ? end - 1 : len;
}

static bool is_ip_literal(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    bool brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    size_t skip = brackets ? 1 : 0;

    len -= 2 * skip;
    if (len >= sizeof text)
        return false;
    memcpy(text, host + skip, len);
    text[len] = '\0';
    return inet_pton(brackets ? AF_INET6 : AF_INET, text, address) == 1;
}

/* Whether `host` is `label`.<domain>. */
static bool is_label_of(const char *host, size_t len, const char *label, const char *domain)
{
    size_t label_len = strlen(label);
    size_t domain_len = without_port(domain, strlen(domain));

    return len == label_len + 1 + domain_len && host[label_len] == '.' &&
           wr_memcaseeq(host, label_len, label, label_len) &&
           wr_memcaseeq(host + label_len + 1, domain_len, domain, domain_len);
}

enum wr_host_kind wr_host_kind(const char *host, size_t len, const char *domain)
{
    len = without_port(host, len);
    if (domain && is_label_of(host, len, "api", domain))
        return WR_HOST_API;
    if (wr_memcaseeq(host, len, "localhost", 9) || is_ip_literal(host, len) ||
        (domain && is_label_of(host, len, "sandbox", domain)))
        return WR_HOST_DIRECT;
    return WR_HOST_NAME;
}

bool wr_host_port(const char *text, size_t len, uint16_t *ret)
{
    uint32_t value = 0;

    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]) || value > UINT16_MAX)
            return false;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    if (value == 0 || value > UINT16_MAX)
        return false;
    *ret = (uint16_t)value;
    return true;
}

bool wr_host_id(const char *text, size_t len, struct wr_ingress_route *ret)
{
    if (len == 0 || len >= sizeof ret->id)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'z'))
            return false;
    memcpy(ret->id, text, len);
    ret->id[len] = '\0';
    return true;
}

const char *wr_host_route(const char *host, size_t len, struct wr_ingress_route *ret)
{
    const char *dot = memchr(host, '.', without_port(host, len));
    const char *dash = dot ? memchr(host, '-', (size_t)(dot - host)) : NULL;
    struct wr_ingress_route route;

    if (!dash)
        return WR_INGRESS_BAD_HOST;
    if (!wr_host_port(host, (size_t)(dash - host), &route.port))
        return WR_INGRESS_BAD_PORT;
    const char *id = dash + 1;
    const char *end = memchr(id, '-', (size_t)(dot - id));
    if (!wr_host_id(id, (size_t)((end ? end : dot) - id), &route))
        return WR_INGRESS_BAD_ID;
    *ret = route;
    return NULL;
}
