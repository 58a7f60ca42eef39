#include "http/h1.h"
#include "http/h1_chars.h"
#include "test.h"

static struct wr_error err;
static struct wr_h1_head head;

static ssize_t request(const char *data, size_t len, int *status)
{
    *status = 0;
    return wr_h1_parse_request(data, len, &head, status, &err);
}

/* Same verdict for every prefix: "more", or what the whole gives. */
static void check_prefixes(const char *data, size_t len)
{
    int whole_status = 0, status = 0;
    ssize_t whole = request(data, len, &whole_status);
    for (size_t n = 0; n < len; n++) {
        /* An exact copy, so that a sanitizer sees a read behind the end. */
        char *copy = malloc(n ? n : 1);
        CHECK(copy != NULL);
        memcpy(copy, data, n);
        ssize_t r = request(copy, n, &status);
        if (r != 0 && (r != whole || status != whole_status))
            wr_test_fail(__FILE__, __LINE__, "prefix %zu: %zd %d, whole: %zd %d", n, r, status,
                         whole, whole_status);
        free(copy);
    }
    (void)!request(data, len, &status);
}

static void accept_request(const char *text)
{
    int status = 0;
    ssize_t r = request(text, strlen(text), &status);
    if (r != (ssize_t)strlen(text))
        wr_test_fail(__FILE__, __LINE__, "%zd (%d, %s) for:\n%s", r, status, err.msg, text);
    check_prefixes(text, strlen(text));
}

TEST(character_classes_match_the_rfc)
{
    for (int c = 0; c < 256; c++) {
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool token = alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        CHECK_INT(wr_h1_is((char)c, WR_H1_TOKEN), token);
        CHECK_INT(wr_h1_is((char)c, WR_H1_VALUE), c == '\t' || (c >= 0x20 && c != 0x7f));
        CHECK_INT(wr_h1_is((char)c, WR_H1_TARGET), c > 0x20 && c < 0x7f && c != '#');
    }
}

TEST(plain_get)
{
    accept_request("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Y:  two words \t\r\nEmpty:\r\n\r\n");
    CHECK(head.method_len == 3 && memcmp(head.method, "GET", 3) == 0);
    CHECK(head.target_len == 6 && memcmp(head.target, "/a?b=c", 6) == 0);
    CHECK_INT(head.minor_version, 1);
    CHECK_INT(head.header_count, 3);
    CHECK_INT(head.headers[1].value_len, 9);
    CHECK_INT(head.headers[2].value_len, 0);
    CHECK_INT(head.framing, WR_H1_BODY_NONE);
    CHECK(head.keep_alive && !head.upgrade && !head.expect_continue);
    char value[10];
    CHECK(wr_h1_get(&head, "x-y", value, sizeof(value)));
    CHECK_STR(value, "two words");
    CHECK(!wr_h1_get(&head, "x-y", value, 9));
    CHECK(!wr_h1_get(&head, "x-z", value, sizeof(value)));
}

TEST(framing_and_persistence)
{
    accept_request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0012\r\n\r\n");
    CHECK(head.framing == WR_H1_BODY_LENGTH && head.content_length == 12);
    accept_request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775799\r\n\r\n");
    accept_request("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n");
    CHECK_INT(head.framing, WR_H1_BODY_CHUNKED);
    accept_request("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo , Close\r\n\r\n");
    CHECK(!head.keep_alive);
    accept_request("GET / HTTP/1.0\r\n\r\n");
    CHECK(!head.keep_alive && head.minor_version == 0);
    accept_request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(head.keep_alive);
    accept_request(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    CHECK(head.upgrade && head.keep_alive);
    accept_request("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\r\n");
    CHECK(!head.upgrade);
    accept_request(
        "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
    CHECK(head.expect_continue);
}

TEST(targets)
{
    accept_request("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    accept_request("GET http://Example.com:80/x HTTP/1.1\r\nHost: example.COM:80\r\n\r\n");
    accept_request("GET https://[::1]:3000?q HTTP/1.1\r\nHost: [::1]:3000\r\n\r\n");
    accept_request("GET /%zz|{}\"<>\\^` HTTP/1.1\r\nHost:\r\n\r\n");
}

#define TOP  "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"

/* The status of the answer, and the request. */
static const struct {
    int status;
    const char *text;
} refused[] = {
    {400, "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"}, /* empty line first */
    {400, " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"}, /* two blanks */
    {400, "GET /  HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET /\tHTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
    {400, "GET /\r\n\r\n"}, /* HTTP/0.9 */
    {400, "G(T / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {501, "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {501, "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"},
    {400, "GET x:1 HTTP/1.1\r\nHost: x\r\n\r\n"}, /* authority-form */
    {400, "GET a/b HTTP/1.1\r\nHost: x\r\n\r\n"}, /* no leading slash */
    {400, "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET http:// HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET http:///p HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n"}, /* two hosts */
    {400, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"},
    {505, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
    {505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
    {505, "GET / HTTP/0.9\r\nHost: x\r\n\r\n"},
    {400, "GET / HTTP/1.10\r\nHost: x\r\n\r\n"},
    {400, "GET / HTTP/1\r\nHost: x\r\n\r\n"},
    {400, "GET / http/1.1\r\nHost: x\r\n\r\n"},
    {400, "GET / HTTP/1.1\nHost: x\r\n\r\n"}, /* bare LF */
    {400, TOP "A: b\n\r\n"},
    {400, TOP "\n"},
    {400, TOP "A: b\rC: d\r\n\r\n"}, /* bare CR */
    {400, TOP "A: b\r\r\n\r\n"},
    {400, TOP "\r\r\n"},
    {400, TOP "A: b\r\n c\r\n\r\n"}, /* obs-fold */
    {400, TOP "A: b\r\n\tc\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n Host: x\r\n\r\n"},
    {400, TOP "A : b\r\n\r\n"}, /* blank before the colon */
    {400, TOP "A\t: b\r\n\r\n"},
    {400, TOP ": b\r\n\r\n"},
    {400, TOP "A\r\n\r\n"},
    {400, TOP "A b: c\r\n\r\n"},
    {400, TOP "A: \x01\r\n\r\n"},
    {400, TOP "A: b\x7f\r\n\r\n"},
    {400, TOP "A: b\x0b\r\n\r\n"},
    {400, TOP "\xc3\xa4: b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
    {400, TOP "Host: x\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n"},
    {400, "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n"},
    {400, POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
    {400, POST "Content-Length: 1\r\ncontent-length: 2\r\n\r\n"},
    {400, POST "Content-Length: 1, 1\r\n\r\n"},
    {400, POST "Content-Length: -1\r\n\r\n"},
    {400, POST "Content-Length: +1\r\n\r\n"},
    {400, POST "Content-Length: 0x1\r\n\r\n"},
    {400, POST "Content-Length: 1 2\r\n\r\n"},
    {400, POST "Content-Length: 1.0\r\n\r\n"},
    {400, POST "Content-Length:\r\n\r\n"},
    {413, POST "Content-Length: 9223372036854775800\r\n\r\n"},
    {413, POST "Content-Length: 99999999999999999999\r\n\r\n"},
    {400, POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked, chunked\r\n\r\n"},
    {501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked, gzip\r\n\r\n"},
    {400, POST "Transfer-Encoding: gzip\r\n\r\n"},
    {400, POST "Transfer-Encoding: identity\r\n\r\n"},
    {400, POST "Transfer-Encoding: xchunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked;q=1\r\n\r\n"},
    {400, POST "Transfer-Encoding: \"chunked\"\r\n\r\n"},
    {400, POST "Transfer-Encoding:\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {417, POST "Expect: magic\r\n\r\n"},
};

TEST(refused_requests)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(refused); i++) {
        int status = 0;
        ssize_t r = request(refused[i].text, strlen(refused[i].text), &status);
        if (r != -WR_E_INVALID_ARGUMENT || status != refused[i].status)
            wr_test_fail(__FILE__, __LINE__, "%zd %d instead of %d for:\n%s", r, status,
                         refused[i].status, refused[i].text);
        check_prefixes(refused[i].text, strlen(refused[i].text));
    }
}

TEST(nul_bytes_are_refused_everywhere)
{
    static const char text[] = "GET /abc HTTP/1.1\r\nHost: x\r\nAb: cd\r\n\r\n";
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        char copy[sizeof(text)];
        int status = 0;
        memcpy(copy, text, sizeof(text));
        copy[i] = '\0';
        CHECK_INT(request(copy, sizeof(text) - 1, &status), -WR_E_INVALID_ARGUMENT);
        CHECK(status == 400);
        check_prefixes(copy, sizeof(text) - 1);
    }
}

TEST(field_count_limit)
{
    for (size_t count = WR_HTTP_MAX_HEADERS; count <= WR_HTTP_MAX_HEADERS + 1; count++) {
        char text[4096];
        int status = 0, n = snprintf(text, sizeof text, TOP);
        for (size_t i = 1; i < count; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "A: b\r\n");
        snprintf(text + n, sizeof text - (size_t)n, "\r\n");
        ssize_t r = request(text, strlen(text), &status);
        if (count == WR_HTTP_MAX_HEADERS)
            CHECK_INT(r, strlen(text));
        else
            CHECK(r < 0 && status == 431);
    }
}

/* A request with `target` bytes of target, filled with one field so that the head has `total`
 * bytes. */
static char *sized_request(size_t target, size_t total)
{
    size_t size = target + total + 64;
    char *text = malloc(size);
    CHECK(text != NULL);
    size_t n = (size_t)snprintf(text, size, "GET /");
    memset(text + n, 'a', target - 1);
    n += target - 1;
    n += (size_t)snprintf(text + n, size - n, " HTTP/1.1\r\nHost: x\r\nA:");
    if (total > n + 4) {
        memset(text + n, 'b', total - n - 4);
        n = total - 4;
    }
    memcpy(text + n, "\r\n\r\n", 5);
    return text;
}

TEST(target_length_limit)
{
    for (size_t len = WR_HTTP_MAX_TARGET; len <= WR_HTTP_MAX_TARGET + 1; len++) {
        char *text = sized_request(len, 0);
        int status = 0;
        ssize_t r = request(text, strlen(text), &status);
        if (len == WR_HTTP_MAX_TARGET)
            CHECK_INT(r, strlen(text));
        else
            CHECK(r < 0 && status == 414);
        free(text);
    }
}

TEST(head_length_limit)
{
    char *text = sized_request(1, WR_HTTP_MAX_HEAD);
    int status = 0;
    CHECK_INT(strlen(text), WR_HTTP_MAX_HEAD);
    CHECK_INT(request(text, WR_HTTP_MAX_HEAD, &status), WR_HTTP_MAX_HEAD);
    CHECK_INT(request(text, WR_HTTP_MAX_HEAD - 1, &status), 0);
    free(text);
    text = sized_request(1, WR_HTTP_MAX_HEAD + 1);
    CHECK(request(text, WR_HTTP_MAX_HEAD + 1, &status) < 0 && status == 431);
    CHECK(request(text, WR_HTTP_MAX_HEAD, &status) < 0 && status == 431);
    CHECK_INT(request(text, WR_HTTP_MAX_HEAD - 1, &status), 0);
    free(text);
}

TEST(connection_options_are_limited)
{
    for (int count = 32; count <= 33; count++) {
        char text[512];
        int status = 0, n = snprintf(text, sizeof text, TOP "Connection: a");
        for (int i = 1; i < count; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, ",b");
        snprintf(text + n, sizeof text - (size_t)n, "\r\n\r\n");
        ssize_t r = request(text, strlen(text), &status);
        CHECK(count == 32 ? r > 0 : r < 0 && status == 400);
    }
}

TEST(hop_by_hop_fields)
{
    accept_request(
        TOP
        "Connection: X-Private, host, content-length\r\nX-Private: 1\r\nX-Public: 1\r\nte: trailers\r\n"
        "Keep-Alive: 5\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nContent-Length: 0\r\n\r\n");
    static const struct {
        const char *name;
        bool hop;
    } expected[] = {
        {"Host", false},
        {"Connection", true},
        {"X-Private", true},
        {"X-Public", false},
        {"te", true},
        {"Keep-Alive", true},
        {"Upgrade", true},
        {"Proxy-Connection", true},
        {"Content-Length", false},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(expected); i++) {
        const struct wr_h1_header *field = wr_h1_find(&head, expected[i].name);
        CHECK(field != NULL);
        if (wr_h1_is_hop_by_hop(&head, field) != expected[i].hop)
            wr_test_fail(__FILE__, __LINE__, "%s", expected[i].name);
    }
}

static ssize_t response(const char *text, bool head_request)
{
    return wr_h1_parse_response(text, strlen(text), head_request, &head, &err);
}

TEST(responses)
{
    CHECK(response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false) > 0);
    CHECK(head.status == 200 && head.reason_len == 2 && head.framing == WR_H1_BODY_LENGTH &&
          head.keep_alive);
    CHECK(response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true) > 0);
    CHECK_INT(head.framing, WR_H1_BODY_NONE);
    CHECK(response("HTTP/1.1 404 \r\n\r\n", false) > 0);
    CHECK(head.framing == WR_H1_BODY_UNTIL_CLOSE && !head.keep_alive);
    CHECK(response("HTTP/1.1 204\r\n\r\n", false) > 0);
    CHECK(head.framing == WR_H1_BODY_NONE && head.keep_alive);
    CHECK(response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false) > 0);
    CHECK_INT(head.framing, WR_H1_BODY_NONE);
    CHECK(response("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false) >
          0);
    CHECK(head.upgrade && head.framing == WR_H1_BODY_NONE);
    CHECK(response("HTTP/1.0 200 OK\r\n\r\n", false) > 0);
    CHECK_INT(response("HTTP/1.1 200 O", false), 0);
    CHECK_INT(response("HTTP/1.1 200", false), 0);
}

TEST(refused_responses)
{
    static const char *const bad[] = {
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        if (response(bad[i], false) != -WR_E_INVALID_ARGUMENT)
            wr_test_fail(__FILE__, __LINE__, "accepted:\n%s", bad[i]);
}
