/* The name at the start of a connection: TLS however it is cut, HTTP however Host is written, and
 * everything that says none. */
#include <stdarg.h>

#include "base/base.h"
#include "server/egress/sniff.h"
#include "test.h"

/* ---- a ClientHello ---- */

struct bytes {
    unsigned char data[2048];
    size_t len;
};

static void put(struct bytes *b, const void *data, size_t len)
{
    CHECK(b->len + len <= sizeof b->data);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void put_number(struct bytes *b, size_t value, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--) {
        unsigned char byte = (unsigned char)(value >> (8 * (i - 1)));
        put(b, &byte, 1);
    }
}

static void put_extension(struct bytes *b, size_t type, const struct bytes *content)
{
    put_number(b, type, 2);
    put_number(b, content->len, 2);
    put(b, content->data, content->len);
}

/* The content of a server_name extension with these names, the last one NULL. */
static struct bytes server_names(const char *first, ...)
{
    struct bytes list = {.len = 0}, out = {.len = 0};
    va_list names;

    va_start(names, first);
    for (const char *name = first; name; name = va_arg(names, const char *)) {
        put_number(&list, 0, 1);
        put_number(&list, strlen(name), 2);
        put(&list, name, strlen(name));
    }
    va_end(names);
    put_number(&out, list.len, 2);
    put(&out, list.data, list.len);
    return out;
}

/* The handshake message with these extensions. */
static struct bytes hello_with(const struct bytes *extensions)
{
    struct bytes body = {.len = 0}, out = {.len = 0};
    static const unsigned char random[32] = {1, 2, 3};

    put_number(&body, 0x0303, 2);
    put(&body, random, 32);
    put_number(&body, 32, 1);
    put(&body, random, 32);
    put_number(&body, 4, 2);
    put_number(&body, 0x0a0a, 2); /* GREASE */
    put_number(&body, 0x1301, 2);
    put_number(&body, 1, 1);
    put_number(&body, 0, 1);
    put_number(&body, extensions->len, 2);
    put(&body, extensions->data, extensions->len);
    put_number(&out, 1, 1);
    put_number(&out, body.len, 3);
    put(&out, body.data, body.len);
    return out;
}

/* In records of at most `most` bytes. */
static struct bytes records(const struct bytes *message, size_t most)
{
    struct bytes out = {.len = 0};

    for (size_t at = 0; at < message->len; at += most) {
        size_t part = WR_MIN(most, message->len - at);
        put_number(&out, 22, 1);
        put_number(&out, 0x0301, 2);
        put_number(&out, part, 2);
        put(&out, message->data + at, part);
    }
    return out;
}

static struct bytes ordinary(const char *name)
{
    struct bytes extensions = {.len = 0}, empty = {.len = 0};
    struct bytes names = server_names(name, NULL);
    struct bytes key = {.len = 300};

    put_extension(&extensions, 0x8a8a, &empty); /* GREASE */
    put_extension(&extensions, 51, &key);
    put_extension(&extensions, 0, &names);
    put_extension(&extensions, 0x2a2a, &empty);
    return hello_with(&extensions);
}

static enum wr_sniff sniff_records(const struct bytes *message, size_t most, char *name)
{
    struct bytes data = records(message, most);

    return wr_sniff_tls(data.data, data.len, name);
}

TEST(tls_name_in_one_record)
{
    struct bytes hello = ordinary("WWW.Example.com");
    char name[254] = "";

    CHECK_INT(sniff_records(&hello, 16384, name), WR_SNIFF_NAME);
    CHECK_STR(name, "www.example.com");
}

TEST(tls_every_prefix_asks_for_more)
{
    struct bytes hello = ordinary("example.com");
    struct bytes data = records(&hello, 100);
    char name[254] = "untouched";

    for (size_t len = 0; len < data.len; len++)
        CHECK_INT(wr_sniff_tls(data.data, len, name), WR_SNIFF_MORE);
    CHECK_STR(name, "untouched");
    CHECK_INT(wr_sniff_tls(data.data, data.len, name), WR_SNIFF_NAME);
    CHECK_STR(name, "example.com");
}

TEST(tls_over_records_of_every_size)
{
    struct bytes hello = ordinary("example.com");
    char name[254];

    for (size_t most = 2; most < 60; most++) {
        name[0] = '\0';
        CHECK_INT(sniff_records(&hello, most, name), WR_SNIFF_NAME);
        CHECK_STR(name, "example.com");
    }
}

TEST(tls_bytes_behind_the_hello_do_not_count)
{
    struct bytes hello = ordinary("example.com");
    struct bytes data = records(&hello, 16384);
    char name[254] = "";

    put(&data, "early data", 10);
    CHECK_INT(wr_sniff_tls(data.data, data.len, name), WR_SNIFF_NAME);
}

TEST(tls_without_a_name)
{
    struct bytes none = {.len = 0}, key = {.len = 20}, extensions = {.len = 0};
    struct bytes hello = hello_with(&none);
    char name[254] = "untouched";

    CHECK_INT(sniff_records(&hello, 16384, name), WR_SNIFF_NONE);
    put_extension(&extensions, 51, &key);
    hello = hello_with(&extensions);
    CHECK_INT(sniff_records(&hello, 16384, name), WR_SNIFF_NONE);
    CHECK_STR(name, "untouched");
}

TEST(tls_two_names_are_none)
{
    struct bytes two = server_names("a.example", "b.example", NULL);
    struct bytes one = server_names("a.example", NULL), other = server_names("b.example", NULL);
    struct bytes extensions = {.len = 0};
    char name[254] = "";

    put_extension(&extensions, 0, &two);
    struct bytes hello = hello_with(&extensions);
    CHECK_INT(sniff_records(&hello, 16384, name), WR_SNIFF_NONE);
    extensions.len = 0;
    put_extension(&extensions, 0, &one);
    put_extension(&extensions, 0, &other);
    hello = hello_with(&extensions);
    CHECK_INT(sniff_records(&hello, 16384, name), WR_SNIFF_NONE);
}

TEST(tls_names_that_are_none)
{
    static const char *const bad[] = {"",       "127.0.0.1", "::1",   "a..b",     ".a",
                                      "a b",    "a\rb",      "*.a",   "a/b",      "2130706433",
                                      "a.0x7f", "a.1",       "x:443", "\xc3\xa4", "[::1]"};
    char name[254];

    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        struct bytes hello = ordinary(bad[i]);
        CHECK_INT(sniff_records(&hello, 16384, name), WR_SNIFF_NONE);
    }
}

TEST(tls_dot_at_the_end_is_dropped)
{
    struct bytes hello = ordinary("example.com.");
    char name[254] = "";

    CHECK_INT(sniff_records(&hello, 16384, name), WR_SNIFF_NAME);
    CHECK_STR(name, "example.com");
}

/* Each length of the message, one too large and one too small: never a name. */
TEST(tls_lengths_that_lie)
{
    struct bytes hello = ordinary("example.com");
    const size_t lengths[] = {
        4 + 2 + 32,              /* session id */
        4 + 2 + 32 + 1 + 32 + 1, /* cipher suites, low byte */
        hello.len - 16,          /* low byte of the name's own length, from the end */
        hello.len - 19,          /* of the list */
        hello.len - 21,          /* of the extension */
    };
    char name[254];

    for (size_t i = 0; i < WR_ARRAY_SIZE(lengths); i++)
        for (int change = -1; change <= 1; change += 2) {
            struct bytes wrong = hello;
            wrong.data[lengths[i]] = (unsigned char)(wrong.data[lengths[i]] + change);
            CHECK(sniff_records(&wrong, 16384, name) != WR_SNIFF_NAME);
        }
}

TEST(tls_other_protocols_are_known_at_once)
{
    char name[254];

    CHECK_INT(wr_sniff_tls((const unsigned char *)"S", 1, name), WR_SNIFF_NONE);
    CHECK_INT(wr_sniff_tls((const unsigned char *)"\x16\x02", 2, name), WR_SNIFF_NONE);
    CHECK_INT(wr_sniff_tls((const unsigned char *)"\x15\x03\x01\x00\x02", 5, name), WR_SNIFF_NONE);
    CHECK_INT(wr_sniff_tls((const unsigned char *)"\x16\x03\x01\x00\x00", 5, name), WR_SNIFF_NONE);
    CHECK_INT(wr_sniff_tls((const unsigned char *)"\x16\x03\x01\x40\x01", 5, name), WR_SNIFF_NONE);
    /* A server's hello. */
    CHECK_INT(wr_sniff_tls((const unsigned char *)"\x16\x03\x01\x00\x05\x02", 6, name),
              WR_SNIFF_NONE);
    /* A message that is larger than what is looked at. */
    CHECK_INT(wr_sniff_tls((const unsigned char *)"\x16\x03\x01\x40\x00\x01\x00\x40\x01", 9, name),
              WR_SNIFF_NONE);
}

/* A message within the limit whose records are so small that it is beyond it with their headers. */
TEST(tls_too_much_is_none)
{
    static const unsigned char start[] = {1, 0, 0x3e, 0x80, 3, 3, [38] = 0, [39] = 0x3a, 0x98};
    static unsigned char data[WR_SNIFF_MAX + 100];
    size_t len = 0, message = 0;
    char name[254];

    while (len < WR_SNIFF_MAX) {
        static const unsigned char header[] = {22, 3, 1, 0, 50};
        memcpy(data + len, header, sizeof header);
        len += sizeof header;
        for (size_t i = 0; i < 50; i++, message++)
            data[len++] = message < sizeof start ? start[message] : 0;
    }
    CHECK_INT(wr_sniff_tls(data, WR_SNIFF_MAX - 1, name), WR_SNIFF_MORE);
    CHECK_INT(wr_sniff_tls(data, WR_SNIFF_MAX, name), WR_SNIFF_NONE);
    CHECK_INT(wr_sniff_tls(data, len, name), WR_SNIFF_NONE);
}

/* ---- HTTP ---- */

static enum wr_sniff http(const char *text, char *name)
{
    name[0] = '\0';
    return wr_sniff_http(text, strlen(text), name);
}

TEST(http_host)
{
    static const char *const good[] = {
        "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:EXAMPLE.com:80\r\n\r\n",
        "GET / HTTP/1.0\r\nHOST: example.com.\r\n\r\n",
        "POST /x?y HTTP/1.1\r\nA: b\r\nHost: example.com:8080\r\nContent-Length: 3\r\n\r\nabc",
        "GET http://example.com/x HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n",
    };
    char name[254];

    for (size_t i = 0; i < WR_ARRAY_SIZE(good); i++) {
        CHECK_INT(http(good[i], name), WR_SNIFF_NAME);
        CHECK_STR(name, "example.com");
    }
}

TEST(http_without_a_host)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n",
        "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example:x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example:123456\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
        "GET / HTTP/1.1\nHost: a.example\n\n",
        "GET / HTTP/1.1\r\nX: 1\r\n Host: a.example\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\x16\x03\x01",
    };
    char name[254];

    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        CHECK_INT(http(bad[i], name), WR_SNIFF_NONE);
        CHECK_STR(name, "");
    }
}

TEST(http_every_prefix_asks_for_more)
{
    static const char text[] = "GET /path HTTP/1.1\r\nAccept: */*\r\nHost: example.com\r\n\r\n";
    char name[254];

    for (size_t len = 0; len < sizeof text - 1; len++)
        CHECK_INT(wr_sniff_http(text, len, name), WR_SNIFF_MORE);
    CHECK_INT(wr_sniff_http(text, sizeof text - 1, name), WR_SNIFF_NAME);
}

TEST(http_too_much_is_none)
{
    static char text[WR_SNIFF_MAX + 64];
    char name[254];

    memset(text, 'a', sizeof text);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    CHECK_INT(wr_sniff_http(text, WR_SNIFF_MAX - 1, name), WR_SNIFF_MORE);
    CHECK_INT(wr_sniff_http(text, sizeof text, name), WR_SNIFF_NONE);
}
