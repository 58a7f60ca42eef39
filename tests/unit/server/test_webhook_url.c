#include "base/str.h"
#include "server/webhook_url.h"
#include "test.h"

TEST(parts)
{
    static const struct {
        const char *text, *host, *authority, *target;
        uint16_t port;
        bool tls, is_address;
    } rows[] = {
        {"https://example.org", "example.org", "example.org", "/", 443, true, false},
        {"http://Example.ORG:80/a?b=c", "example.org", "example.org", "/a?b=c", 80, false, false},
        {"https://example.org:8443?x=1", "example.org", "example.org:8443", "/?x=1", 8443, true,
         false},
        {"http://10.0.0.1:9/%20", "10.0.0.1", "10.0.0.1:9", "/%20", 9, false, true},
        {"http://[2001:DB8::1]/", "2001:db8::1", "[2001:db8::1]", "/", 80, false, true},
        {"http://[::1]:81", "::1", "[::1]:81", "/", 81, false, true},
        {"http://localhost/a:b@c", "localhost", "localhost", "/a:b@c", 80, false, false},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct wr_error err = {0};
        struct wr_webhook_url url;
        CHECK_INT(wr_webhook_url_parse(rows[i].text, &url, &err), 0);
        CHECK_STR(url.host, rows[i].host);
        CHECK_STR(url.authority, rows[i].authority);
        CHECK_STR(url.target, rows[i].target);
        CHECK_INT(url.port, rows[i].port);
        CHECK_INT(url.tls, rows[i].tls);
        CHECK_INT(url.is_address, rows[i].is_address);
    }
}

TEST(refused)
{
    static const char *const rows[] = {
        "",
        "example.org",
        "ftp://example.org/",
        "HTTP://example.org/",
        "http://",
        "http:///x",
        "http://?x",
        "http://user@example.org/",
        "http://user:word@example.org/",
        "http://example.org:",
        "http://example.org:0/",
        "http://example.org:65536/",
        "http://example.org:80x/",
        "http://example.org/a b",
        "http://example.org/\x01",
        "http://example.org/\xc3\xa4",
        "http://example.org/#part",
        "http://example.org\\@10.0.0.1/",
        "http://exa_mple.org/",
        "http://.example.org/",
        "http://example..org/",
        "http://example.org./",
        /* Forms of addresses that some resolvers take. */
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1.1/",
        "http://0177.0.0.1/",
        "http://[127.0.0.1]/",
        "http://[::1",
        "http://[::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://::1/",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct wr_error err = {0};
        struct wr_webhook_url url = {.port = 1};
        CHECK_INT(wr_webhook_url_parse(rows[i], &url, &err), -WR_E_INVALID_ARGUMENT);
        CHECK(wr_starts_with(err.msg, "url: "));
        CHECK_INT(url.port, 1);
    }
}

TEST(length)
{
    char text[WR_WEBHOOK_URL_MAX + 2] = "http://a/";
    struct wr_error err = {0};
    struct wr_webhook_url url;

    memset(text + 9, 'x', sizeof text - 9);
    text[WR_WEBHOOK_URL_MAX + 1] = '\0';
    CHECK_INT(wr_webhook_url_parse(text, &url, &err), -WR_E_INVALID_ARGUMENT);
    text[WR_WEBHOOK_URL_MAX] = '\0';
    CHECK_INT(wr_webhook_url_parse(text, &url, &err), 0);
    CHECK_INT(strlen(url.target), WR_WEBHOOK_URL_MAX - 8);
    memset(text + 7, 'x', 300);
    CHECK_INT(wr_webhook_url_parse(text, &url, &err), -WR_E_INVALID_ARGUMENT);
}
