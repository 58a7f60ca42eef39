#include "client/url.h"
#include "test.h"

static struct wr_url parsed(const char *text)
{
    struct wr_url url = {0};
    struct wr_error err = {0};

    if (wr_url_parse(text, "URL", &url, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", text, err.msg);
    return url;
}

static bool refused(const char *text)
{
    struct wr_url url = {.port = 7};
    struct wr_error err = {0};

    int r = wr_url_parse(text, "E2B_API_URL", &url, &err);
    return r == -WR_E_INVALID_ARGUMENT && url.port == 7 && strstr(err.msg, "E2B_API_URL") != NULL;
}

TEST(its_parts)
{
    struct wr_url url = parsed("https://Api.Example.COM");
    CHECK(url.tls);
    CHECK_STR(url.host, "api.example.com");
    CHECK_INT(url.port, 443);
    CHECK_STR(url.authority, "api.example.com");
    CHECK_STR(url.prefix, "");

    url = parsed("HTTP://127.0.0.1:3000/warren/v1//");
    CHECK(!url.tls);
    CHECK_STR(url.host, "127.0.0.1");
    CHECK_INT(url.port, 3000);
    CHECK_STR(url.authority, "127.0.0.1:3000");
    CHECK_STR(url.prefix, "/warren/v1");

    url = parsed("http://[::1]:8080/");
    CHECK_STR(url.host, "::1");
    CHECK_STR(url.authority, "[::1]:8080");
    CHECK_STR(url.prefix, "");
    CHECK_STR(parsed("https://[2001:db8::1]").authority, "[2001:db8::1]");
    CHECK_STR(parsed("https://x:443").authority, "x");
    CHECK_STR(parsed("http://x:443").authority, "x:443");
    CHECK_STR(parsed("http://x/Caf%C3%A9").prefix, "/Caf%C3%A9");
}

TEST(what_it_is_not)
{
    static const char *const texts[] = {
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https://:443",
        "https://x:",
        "https://x:0",
        "https://x:65536",
        "https://x:1:2",
        "https://x:1x",
        "https://-x",
        "https://x-",
        "https://.x",
        "https://x..y",
        "https://x y",
        "https://x\ny",
        "https://\xc3\xa4",
        "https://[::1",
        "https://[::g]",
        "https://[::1]x",
        "https://::1",
        "https://x?a=b",
        "https://x/p?a=b",
        "https://x/p#f",
        "https://x/a b",
        "https://x/a\r\nHost: y",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!refused(texts[i]))
            wr_test_fail(__FILE__, __LINE__, "\"%s\" was taken", texts[i]);
}

TEST(a_password_is_not_repeated)
{
    struct wr_url url;
    struct wr_error err = {0};

    CHECK_INT(wr_url_parse("https://me:hush@example.com", "URL", &url, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK(!strstr(err.msg, "hush") && strstr(err.msg, "password"));
}

TEST(lengths)
{
    char text[WR_URL_PREFIX_MAX + WR_URL_HOST_MAX + 64], run[WR_URL_PREFIX_MAX + 1];
    struct wr_url url;

    memset(run, 'a', sizeof run);
    snprintf(text, sizeof text, "http://%.*s", WR_URL_HOST_MAX - 1, run);
    url = parsed(text);
    CHECK_INT(strlen(url.host), WR_URL_HOST_MAX - 1);
    snprintf(text, sizeof text, "http://%.*s", WR_URL_HOST_MAX, run);
    CHECK(refused(text));
    snprintf(text, sizeof text, "http://x/%.*s", WR_URL_PREFIX_MAX - 2, run);
    url = parsed(text);
    CHECK_INT(strlen(url.prefix), WR_URL_PREFIX_MAX - 1);
    snprintf(text, sizeof text, "http://x/%.*s", WR_URL_PREFIX_MAX - 1, run);
    CHECK(refused(text));
}
