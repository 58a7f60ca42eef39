#include "http/h1.h"
#include "test.h"

static struct wr_error err;

struct result {
    bool ok, done;
    size_t used;
    char payload[512];
    size_t payload_len;
};

/* Feeds `data` in pieces of `step` bytes and keeps what was not eaten, as a connection does. */
static struct result decode(enum wr_h1_framing framing, uint64_t length, const char *data,
                            size_t len, size_t step)
{
    struct wr_h1_head head = {.framing = framing, .content_length = length};
    struct wr_h1_body body;
    struct result r = {.ok = true};
    size_t end = 0;

    wr_h1_body_init(&body, &head);
    while (!body.done) {
        const char *part = NULL;
        size_t part_len = 0;
        ssize_t n = wr_h1_body_decode(&body, data + r.used, end - r.used, &part, &part_len, &err);
        if (n < 0) {
            r.ok = false;
            break;
        }
        CHECK(part_len <= (size_t)n && r.payload_len + part_len <= sizeof(r.payload));
        memcpy(r.payload + r.payload_len, part, part_len);
        r.payload_len += part_len;
        r.used += (size_t)n;
        if (n == 0) {
            if (end == len)
                break;
            end = WR_MIN(len, end + step);
        }
    }
    r.done = body.done;
    return r;
}

static struct result chunked(const char *text)
{
    size_t len = strlen(text);
    struct result whole = decode(WR_H1_BODY_CHUNKED, 0, text, len, len ? len : 1);
    for (size_t step = 1; step < len; step++) {
        struct result r = decode(WR_H1_BODY_CHUNKED, 0, text, len, step);
        if (r.ok != whole.ok || r.done != whole.done || r.payload_len != whole.payload_len ||
            memcmp(r.payload, whole.payload, r.payload_len) != 0 || (r.ok && r.used != whole.used))
            wr_test_fail(__FILE__, __LINE__, "pieces of %zu differ for:\n%s", step, text);
    }
    return whole;
}

static void accept_body(const char *text, const char *payload)
{
    struct result r = chunked(text);
    if (!r.ok || !r.done || r.used != strlen(text) || r.payload_len != strlen(payload) ||
        memcmp(r.payload, payload, r.payload_len) != 0)
        wr_test_fail(__FILE__, __LINE__, "%s for:\n%s", err.msg, text);
}

TEST(chunks)
{
    accept_body("0\r\n\r\n", "");
    accept_body("5\r\nhello\r\n0\r\n\r\n", "hello");
    accept_body("00A\r\n0123456789\r\n1;ext=\"v\"; x\r\n!\r\n000;e\r\n\r\n", "0123456789!");
    accept_body("b\r\n0\r\n\r\n0\r\n\r\nx\r\n0\r\n\r\n", "0\r\n\r\n0\r\n\r\nx");
    accept_body("1\r\na\r\n0\r\nTrailer: one\r\nX:\r\n\r\n", "a");
}

TEST(bytes_behind_the_end_stay)
{
    struct result r = chunked("1\r\na\r\n0\r\n\r\nGET /");
    CHECK(r.ok && r.done && r.used == 11);
}

TEST(refused_chunks)
{
    static const char *const bad[] = {
        "\r\n",
        ";x\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        " 1\r\n",
        "0x1\r\n",
        "1 \r\na\r\n",
        "1\na\r\n",
        "1\r\na\n",
        "1\r\nab\r\n",
        "1\r\na\r0",
        "1\ra",
        "1;a\nb\r\n",
        "1;\x01\r\n",
        "1;\x7f\r\n",
        "8000000000000000\r\n",
        "10000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "fffffffffffffffff\r\n",
        "0\r\n\n",
        "0\n\r\n",
        "0\r\n\r\r",
        "0\r\nA\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nA : x\r\n\r\n",
        "0\r\nA: x\n\r\n",
        "0\r\n A: x\r\n\r\n",
        "0\r\nA: x\r\n y\r\n\r\n",
        "0\r\nA: \x01\r\n\r\n",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        if (chunked(bad[i]).ok)
            wr_test_fail(__FILE__, __LINE__, "accepted:\n%s", bad[i]);
}

TEST(largest_chunk_size)
{
    struct result r = chunked("7fffffffffffffff\r\nabc");
    CHECK(r.ok && !r.done && r.payload_len == 3);
}

TEST(chunk_line_limit)
{
    for (size_t line = WR_HTTP_MAX_CHUNK_LINE; line <= WR_HTTP_MAX_CHUNK_LINE + 1; line++) {
        char text[128] = "1;";
        memset(text + 2, 'x', line - 4);
        snprintf(text + line - 2, sizeof text - (line - 2), "\r\na\r\n0\r\n\r\n");
        CHECK_INT(chunked(text).ok, line == WR_HTTP_MAX_CHUNK_LINE);
    }
}

TEST(trailer_limit)
{
    for (size_t total = WR_HTTP_MAX_TRAILER; total <= WR_HTTP_MAX_TRAILER + 1; total++) {
        static char text[WR_HTTP_MAX_TRAILER + 16];
        memset(text, 'x', sizeof(text));
        memcpy(text, "0\r\nA:", 5);
        /* The trailer section with its blank line has `total` bytes. */
        memcpy(text + 3 + total - 4, "\r\n\r\n", 4);
        struct result r = decode(WR_H1_BODY_CHUNKED, 0, text, 3 + total, 1000);
        CHECK_INT(r.ok, total == WR_HTTP_MAX_TRAILER);
        CHECK_INT(r.done, total == WR_HTTP_MAX_TRAILER);
    }
}

TEST(length_and_close)
{
    struct result r = decode(WR_H1_BODY_LENGTH, 5, "hello world", 11, 3);
    CHECK(r.ok && r.done && r.used == 5 && r.payload_len == 5);
    r = decode(WR_H1_BODY_LENGTH, 0, "x", 1, 1);
    CHECK(r.ok && r.done && r.used == 0);
    r = decode(WR_H1_BODY_NONE, 0, "x", 1, 1);
    CHECK(r.ok && r.done && r.used == 0);
    r = decode(WR_H1_BODY_UNTIL_CLOSE, 0, "hello", 5, 2);
    CHECK(r.ok && !r.done && r.used == 5 && r.payload_len == 5);
}
