#include "server/egress/proxy_address.h"

#include "base/parse.h"
#include "server/egress/domain_set.h"

static const struct {
    const char *prefix;
    enum wr_net_proxy_kind kind;
} schemes[] = {
    {"socks5://", WR_NET_PROXY_SOCKS5},
    {"http://", WR_NET_PROXY_HTTP},
};

bool wr_proxy_address_parse(const char *text, struct wr_proxy_address *ret)
{
    struct wr_proxy_address address = {.kind = WR_NET_PROXY_SOCKS5};
    struct wr_ip ip;
    uint64_t port = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(schemes); i++) {
        if (!wr_starts_with(text, schemes[i].prefix))
            continue;
        address.kind = schemes[i].kind;
        text += strlen(schemes[i].prefix);
        break;
    }
    const char *colon = strrchr(text, ':');
    if (!colon || wr_parse_u64(colon + 1, 1, 65535, &port) < 0)
        return false;
    size_t len = (size_t)(colon - text);
    bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (bracketed) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof address.host)
        return false;
    memcpy(address.host, text, len);
    address.host[len] = '\0';
    bool is_ip = wr_ip_parse(address.host, &ip);
    bool has_colon = strchr(address.host, ':') != NULL;
    if (bracketed != has_colon || (!is_ip && (bracketed || !wr_domain_is_name(address.host))))
        return false;
    address.port = (uint16_t)port;
    *ret = address;
    return true;
}
