#include "base/str.h"
#include "server/egress/intercept_headers.h"
#include "test.h"

static bool parses(const char *text, struct wr_h1_head *head)
{
    struct wr_error err = {0};
    int status = 0;

    return wr_h1_parse_request(text, strlen(text), head, &status, &err) > 0;
}

static struct wr_h1_head parse(const char *text)
{
    struct wr_h1_head head;

    CHECK(parses(text, &head));
    return head;
}

static bool agrees(const char *text)
{
    struct wr_h1_head head;
    char said[WR_INTERCEPT_SAID_MAX + 1];

    /* What the codec refuses does not get here. */
    return parses(text, &head) && wr_intercept_host_agrees(&head, "api.test", 443, said);
}

TEST(the_host_is_the_one_of_the_connection)
{
    CHECK(agrees("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"));
    CHECK(agrees("GET / HTTP/1.1\r\nHost: API.Test\r\n\r\n"));
    CHECK(agrees("GET / HTTP/1.1\r\nHost: api.test.\r\n\r\n"));
    CHECK(agrees("GET / HTTP/1.1\r\nHost: api.test:443\r\n\r\n"));
    CHECK(agrees("GET https://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"));
    CHECK(agrees("OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n"));
}

TEST(another_host_does_not_agree)
{
    static const char *const hosts[] = {
        "evil.test", "api.test.evil.test", "xapi.test",  "api.tes",   "api.test:80",
        "api.test:", "api.test:0443443",   "api.test..", "x@api.test"};
    char text[256];

    for (size_t i = 0; i < WR_ARRAY_SIZE(hosts); i++) {
        CHECK(wr_strformat(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]));
        if (agrees(text))
            wr_test_fail(__FILE__, __LINE__, "%s agrees", hosts[i]);
    }
    CHECK(!agrees("GET https://evil.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n"));
    CHECK(!agrees("GET https://x@evil.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n"));
    CHECK(!agrees("GET https://api.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n"));
    CHECK(!agrees("GET / HTTP/1.0\r\n\r\n"));
}

TEST(what_was_said_is_printable_and_bounded)
{
    char text[512], long_name[201], said[WR_INTERCEPT_SAID_MAX + 1];

    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    CHECK(wr_strformat(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", long_name));
    const struct wr_h1_head head = parse(text);
    CHECK(!wr_intercept_host_agrees(&head, "api.test", 443, said));
    CHECK_INT(strlen(said), WR_INTERCEPT_SAID_MAX);
}

/* ---- fields ---- */

static int find(const char *name, struct wr_buf *out, void *data, struct wr_error *err)
{
    (void)data;
    if (wr_streq(name, "token"))
        return wr_buf_append_str(out, "t0p");
    if (wr_streq(name, "lines"))
        return wr_buf_append_str(out, "a\r\nX-Evil: 1");
    return wr_fail(err, WR_E_NOT_FOUND, 0, "the secret '%s' does not exist", name);
}

static const struct wr_intercept_secrets secrets = {find, NULL};

static int compose(const char *name, const char *value, bool may_be_secret, struct wr_buf *out,
                   struct wr_error *err)
{
    const struct wr_net_header header = {name, value};
    const struct wr_net_transform transform = {"api.test", &header, 1};

    wr_buf_init(out, WR_INTERCEPT_FIELDS_MAX);
    out->wipe = true;
    return wr_intercept_fields(&transform, may_be_secret, &secrets, out, err);
}

static void check_value(const char *value, const char *expected)
{
    struct wr_buf out;
    struct wr_error err = {0};
    const char *found = NULL;
    size_t pos = 0;

    CHECK_INT(compose("X-A", value, true, &out, &err), 0);
    CHECK_STR(wr_intercept_next_field(&out, &pos, &found), "X-A");
    CHECK_STR(found, expected);
    CHECK(!wr_intercept_next_field(&out, &pos, &found));
    wr_buf_done(&out);
}

TEST(placeholders_become_secrets)
{
    check_value("", "");
    check_value("plain $ {} ${other}", "plain $ {} ${other}");
    check_value("${e2b.secrets.token}", "t0p");
    check_value("Bearer ${e2b.secrets.TOKEN}!${e2b.secrets.token}", "Bearer t0p!t0p");
}

static void check_refused(const char *name, const char *value, int code, const char *words)
{
    struct wr_buf out;
    struct wr_error err = {0};

    CHECK_INT(compose(name, value, true, &out, &err), -code);
    if (!strstr(err.msg, words) || strstr(err.msg, "t0p"))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" without \"%s\"", err.msg, words);
    wr_buf_done(&out);
}

TEST(what_cannot_be_a_field_is_refused_by_name)
{
    check_refused("X-A", "${e2b.secrets.none}", WR_E_NOT_FOUND, "'none' does not exist");
    check_refused("X-A", "${e2b.secrets.lines}", WR_E_INVALID_ARGUMENT, "X-A has control");
    check_refused("X-A", "${e2b.secrets.token", WR_E_INVALID_ARGUMENT, "X-A has a placeholder");
    check_refused("X-A", "${e2b.identity.tokens.a}", WR_E_INVALID_ARGUMENT, "placeholder");
    check_refused("host", "x", WR_E_INVALID_ARGUMENT, "host cannot be set");
    check_refused("Transfer-Encoding", "chunked", WR_E_INVALID_ARGUMENT, "cannot be set");
}

TEST(secrets_stay_out_of_what_is_not_encrypted)
{
    struct wr_buf out;
    struct wr_error err = {0};

    CHECK_INT(compose("X-A", "Bearer ${e2b.secrets.token}", false, &out, &err), 0);
    CHECK_INT(out.len, 0);
    CHECK_INT(compose("X-A", "open", false, &out, &err), 0);
    CHECK(out.len > 0);
    wr_buf_done(&out);
}

TEST(fields_that_are_set_replace_those_of_the_client)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: api.test\r\nx-a: mine\r\nX-B: b\r\n"
                               "Connection: x-c, upgrade\r\nX-C: c\r\nUpgrade: websocket\r\n"
                               "Content-Length: 0\r\nExpect: 100-continue\r\nTE: trailers\r\n\r\n";
    static const bool passing[] = {true, false, true, false, false, true, false, false, false};
    const struct wr_h1_head head = parse(text);
    struct wr_buf out;
    struct wr_error err = {0};

    CHECK_INT(compose("X-A", "ours", true, &out, &err), 0);
    CHECK_INT(head.header_count, WR_ARRAY_SIZE(passing));
    for (size_t i = 0; i < head.header_count; i++)
        if (wr_intercept_passes(&head, &head.headers[i], &out) != passing[i])
            wr_test_fail(__FILE__, __LINE__, "field %zu", i);
    wr_buf_done(&out);
}

/* What follows such an upgrade would be requests that nobody looks at. */
TEST(only_websocket_leaves_http)
{
    static const struct {
        const char *fields;
        bool upgrades;
    } rows[] = {
        {"Connection: Upgrade\r\nUpgrade: websocket\r\n", true},
        {"Connection: upgrade\r\nUpgrade: WebSocket\r\n", true},
        {"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n", false},
        {"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", false},
        {"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", false},
        {"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", false},
        {"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n", false},
        {"Upgrade: websocket\r\n", false},
    };
    const struct wr_buf none = WR_BUF(1);

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char text[300];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: api.test\r\n%s\r\n", rows[i].fields);
        const struct wr_h1_head head = parse(text);
        if (wr_intercept_upgrades(&head) != rows[i].upgrades)
            wr_test_fail(__FILE__, __LINE__, "%s", rows[i].fields);
        for (size_t k = 0; k < head.header_count; k++)
            if (wr_memcaseeq(head.headers[k].name, head.headers[k].name_len, "Upgrade", 7))
                CHECK_INT(wr_intercept_passes(&head, &head.headers[k], &none), rows[i].upgrades);
    }
}
