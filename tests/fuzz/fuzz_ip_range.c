/* Addresses and ranges as people write them: what is taken prints as a text that means the same. */
#include "fuzz.h"
#include "server/egress/address.h"
#include "server/egress/guard.h"
#include "server/egress/proxy_address.h"

static void check_range(const char *text)
{
    char out[WR_IP_RANGE_TEXT];
    struct wr_ip_range range, again;

    if (!wr_ip_range_parse(text, &range))
        return;
    wr_ip_range_format(&range, out);
    HOLDS(wr_ip_range_parse(out, &again));
    HOLDS(range.prefix == again.prefix && wr_ip_equal(&range.base, &again.base));
    HOLDS(range.prefix <= 128 && wr_ip_in(&range.base, &range));
}

static void check_address(const char *text)
{
    char out[WR_IP_TEXT];
    struct sockaddr_storage address;
    struct wr_ip ip, again;
    uint16_t port = 0;

    if (!wr_ip_parse(text, &ip))
        return;
    wr_ip_format(&ip, out);
    HOLDS(wr_ip_parse(out, &again) && wr_ip_equal(&ip, &again));
    (void)wr_ip_to_sockaddr(&ip, 80, &address);
    HOLDS(wr_ip_from_sockaddr((const struct sockaddr *)&address, &again, &port));
    HOLDS(port == 80 && wr_ip_equal(&ip, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_proxy_address proxy;
    struct wr_net_guard *guard = NULL;
    struct wr_error err = {0};
    char text[512];

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_address(text);
    check_range(text);
    if (wr_proxy_address_parse(text, &proxy))
        HOLDS(proxy.host[0] && proxy.port > 0);
    int r = wr_guard_new(text, &guard, &err);
    HOLDS(r == 0 || (r == -WR_E_INVALID_ARGUMENT && err.msg[0] && !guard));
    wr_guard_free(guard);
    return 0;
}
