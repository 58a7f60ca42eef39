#include "server/egress/proxy_address.h"
#include "test.h"

static void is(const char *text, enum wr_net_proxy_kind kind, const char *host, uint16_t port)
{
    struct wr_proxy_address address;
    if (!wr_proxy_address_parse(text, &address))
        wr_test_fail(__FILE__, __LINE__, "%s is not taken", text);
    CHECK_INT(address.kind, kind);
    CHECK_STR(address.host, host);
    CHECK_INT(address.port, port);
}

TEST(taken)
{
    is("proxy.example.com:1080", WR_NET_PROXY_SOCKS5, "proxy.example.com", 1080);
    is("socks5://1.2.3.4:1", WR_NET_PROXY_SOCKS5, "1.2.3.4", 1);
    is("http://p:65535", WR_NET_PROXY_HTTP, "p", 65535);
    is("http://[2001:db8::1]:3128", WR_NET_PROXY_HTTP, "2001:db8::1", 3128);
}

TEST(refused)
{
    static const char *const bad[] = {
        "",           "a",           "a:",           ":1",
        "a:0",        "a:65536",     "a:1x",         "http://",
        "HTTP://a:1", "https://a:1", "socks4://a:1", "::1:80",
        "[::1:80",    "[a]:80",      "[1.2.3.4]:80", "1.2.3:80",
        "a b:80",     "u:p@a:80",    "http://a:80/", "[]:80",
    };
    struct wr_proxy_address address = {.port = 7};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (wr_proxy_address_parse(bad[i], &address))
            wr_test_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
    CHECK_INT(address.port, 7);
}
