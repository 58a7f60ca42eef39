/* What a Host field says, and which request may reach which port. */
#include "server/ingress/access.h"
#include "server/ingress/forward.h"
#include "server/ingress/host.h"
#include "test.h"

TEST(kinds)
{
    static const struct {
        const char *host, *domain;
        enum wr_host_kind kind;
    } rows[] = {
        {"localhost", NULL, WR_HOST_DIRECT},
        {"LOCALHOST:3002", NULL, WR_HOST_DIRECT},
        {"localhost:", NULL, WR_HOST_DIRECT},
        {"127.0.0.1", NULL, WR_HOST_DIRECT},
        {"10.1.2.3:99", "a.b", WR_HOST_DIRECT},
        {"[::1]", NULL, WR_HOST_DIRECT},
        {"[::1]:3002", NULL, WR_HOST_DIRECT},
        {"[fe80::1:2]:3002", NULL, WR_HOST_DIRECT},
        {"sandbox.e2b.test", "e2b.test", WR_HOST_DIRECT},
        {"Sandbox.E2B.test:8443", "e2b.test:8443", WR_HOST_DIRECT},
        {"sandbox.localhost:1", "localhost:3002", WR_HOST_DIRECT},
        {"api.e2b.test", "e2b.test:8443", WR_HOST_API},
        {"API.e2b.test:1", "e2b.test", WR_HOST_API},
        {"", NULL, WR_HOST_NAME},
        {":1", NULL, WR_HOST_NAME},
        {"localhost.", NULL, WR_HOST_NAME},
        {"127.0.0", NULL, WR_HOST_NAME},
        {"127.0.0.1.x", NULL, WR_HOST_NAME},
        {"::1", NULL, WR_HOST_NAME},
        {"[::1", NULL, WR_HOST_NAME},
        {"[127.0.0.1]", NULL, WR_HOST_NAME},
        {"[]", NULL, WR_HOST_NAME},
        {"sandbox.e2b.test", NULL, WR_HOST_NAME},
        {"sandbox.other.test", "e2b.test", WR_HOST_NAME},
        {"xsandbox.e2b.test", "e2b.test", WR_HOST_NAME},
        {"sandbox-e2b.test", "e2b.test", WR_HOST_NAME},
        {"api.e2b.test.evil", "e2b.test", WR_HOST_NAME},
        {"api.e2b.test", NULL, WR_HOST_NAME},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        enum wr_host_kind kind = wr_host_kind(rows[i].host, strlen(rows[i].host), rows[i].domain);
        if (kind != rows[i].kind)
            wr_test_fail(__FILE__, __LINE__, "%s of %s: %d", rows[i].host,
                         rows[i].domain ? rows[i].domain : "nothing", (int)kind);
    }
}

TEST(routes)
{
    static const struct {
        const char *host, *id;
        unsigned port;
    } rows[] = {
        {"49983-abc.e2b.test", "abc", 49983},
        {"1-a.b", "a", 1},
        {"65535-abc.e2b.test:8443", "abc", 65535},
        {"080-abc.x", "abc", 80},
        {"3210-abc-unknown.localhost", "abc", 3210},
        {"3210-abc-.x", "abc", 3210},
        {"3210-abc-a-b-c.x", "abc", 3210},
        {"8000-012345678901234567890.x.y.z", "012345678901234567890", 8000},
    };
    static const struct {
        const char *host, *text;
    } bad[] = {
        {"", WR_INGRESS_BAD_HOST},
        {"80-abc", WR_INGRESS_BAD_HOST},
        {"80-abc:8443", WR_INGRESS_BAD_HOST},
        {"abc.x", WR_INGRESS_BAD_HOST},
        {".80-abc", WR_INGRESS_BAD_HOST},
        {"x.80-abc.y", WR_INGRESS_BAD_HOST},
        {"-abc.x", WR_INGRESS_BAD_PORT},
        {"0-abc.x", WR_INGRESS_BAD_PORT},
        {"65536-abc.x", WR_INGRESS_BAD_PORT},
        {"4294967376-abc.x", WR_INGRESS_BAD_PORT},
        {"99999999999999999999999-abc.x", WR_INGRESS_BAD_PORT},
        {"8o-abc.x", WR_INGRESS_BAD_PORT},
        {"+80-abc.x", WR_INGRESS_BAD_PORT},
        {"80-.x", WR_INGRESS_BAD_ID},
        {"80--a.x", WR_INGRESS_BAD_ID},
        {"80-Abc.x", WR_INGRESS_BAD_ID},
        {"80-a_c.x", WR_INGRESS_BAD_ID},
        {"80-0123456789012345678901234567890123456789012345678901234567890123.x",
         WR_INGRESS_BAD_ID},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct wr_ingress_route route = {.port = 0};
        const char *text = wr_host_route(rows[i].host, strlen(rows[i].host), &route);
        if (text || route.port != rows[i].port || strcmp(route.id, rows[i].id) != 0)
            wr_test_fail(__FILE__, __LINE__, "%s: %s", rows[i].host, text ? text : route.id);
    }
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        struct wr_ingress_route route = {.port = 7};
        CHECK_STR(wr_host_route(bad[i].host, strlen(bad[i].host), &route), bad[i].text);
        CHECK_INT(route.port, 7);
    }
}

static struct wr_h1_head parse(const char *text)
{
    struct wr_h1_head head;
    struct wr_error err = {0};
    int status = 0;

    if (wr_h1_parse_request(text, strlen(text), &head, &status, &err) <= 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return head;
}

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(traffic_tokens)
{
    static const struct {
        const char *field;
        enum wr_ingress_access access;
    } rows[] = {
        {"", WR_ACCESS_NO_TOKEN},
        {WR_INGRESS_TOKEN ": \r\n", WR_ACCESS_NO_TOKEN},
        {WR_INGRESS_TOKEN ": x\r\n", WR_ACCESS_BAD_TOKEN},
        {WR_INGRESS_TOKEN ": " TOKEN "0\r\n", WR_ACCESS_BAD_TOKEN},
        {WR_INGRESS_TOKEN ": 1" TOKEN "\r\n", WR_ACCESS_BAD_TOKEN},
        {"E2B-Traffic-Access-Token: " TOKEN "\r\n", WR_ACCESS_GRANTED},
    };
    struct wr_sandbox sandbox = {.traffic_token = TOKEN}, open = {.traffic_token = ""};

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char text[256];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].field);
        struct wr_h1_head head = parse(text);
        CHECK_INT(wr_ingress_access_check(&sandbox, 80, &head), rows[i].access);
        CHECK_INT(wr_ingress_access_check(&sandbox, WR_AGENT_PORT, &head), WR_ACCESS_GRANTED);
        CHECK_INT(wr_ingress_access_check(&open, 80, &head), WR_ACCESS_GRANTED);
    }
}

TEST(masks)
{
    char out[16];

    CHECK(wr_forward_mask("a:${PORT}", 80, out, sizeof out));
    CHECK_STR(out, "a:80");
    CHECK(wr_forward_mask("${PORT}.a", 65535, out, sizeof out));
    CHECK_STR(out, "65535.a");
    CHECK(wr_forward_mask("plain", 80, out, sizeof out));
    CHECK_STR(out, "plain");
    CHECK(!wr_forward_mask("0123456789a:${PORT}", 65535, out, sizeof out));
    CHECK(!wr_forward_mask("0123456789abcdef", 1, out, sizeof out));
}

TEST(targets)
{
    static const struct {
        const char *target, *host, *origin;
    } rows[] = {
        {"/", "x", "/"},
        {"/a?b=http://c/d", "x", "/a?b=http://c/d"},
        {"http://x/a?b", "x", "/a?b"},
        {"http://x", "x", "/"},
        {"https://x:1?q", "x:1", "/?q"},
        {"http://x/?q", "x", "/?q"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char text[256];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].target,
                 rows[i].host);
        struct wr_h1_head head = parse(text);
        char *origin = wr_forward_target(&head);
        CHECK_STR(origin, rows[i].origin);
        free(origin);
    }
    struct wr_h1_head head = parse("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    char *origin = wr_forward_target(&head);
    CHECK_STR(origin, "*");
    free(origin);
}
