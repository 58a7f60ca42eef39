#include "interpreter/frame.h"
#include "interpreter/frame_decoder.h"
#include "interpreter/limits.h"
#include "test.h"

static struct wr_frame_decoder decoder;
static struct wr_frame_piece piece;
static struct wr_error err;

static size_t put(char *to, char kind, const char *payload, size_t len)
{
    const char header[] = {
        (char)len, (char)(len >> 8), (char)(len >> 16), (char)(len >> 24), kind, 0, 0, 0};
    memcpy(to, header, WR_FRAME_HEADER);
    if (payload)
        memcpy(to + WR_FRAME_HEADER, payload, len);
    return WR_FRAME_HEADER + len;
}

static ssize_t decode(const char *data, size_t len)
{
    return wr_frame_decode(&decoder, data, len, &piece, &err);
}

TEST(frames_come_whole)
{
    char bytes[64];
    size_t len = put(bytes, 'o', "hello", 5);
    len += put(bytes + len, 'D', "{}", 2);

    for (size_t i = 0; i < 13; i++)
        CHECK_INT(decode(bytes, i), 0);
    CHECK_INT(decode(bytes, len), 13);
    CHECK_INT(piece.kind, 'o');
    CHECK_INT(piece.len, 5);
    CHECK(memcmp(piece.data, "hello", 5) == 0);
    CHECK(piece.first && piece.last);
    CHECK_INT(decode(bytes + 13, len - 13), 10);
    CHECK_INT(piece.kind, 'D');
    CHECK_INT(decode("", 0), 0);
}

TEST(what_no_runner_sends_is_refused)
{
    char bytes[16];

    for (int kind = 0; kind < 256; kind++) {
        bool known = kind != 0 && strchr("RCoeLDn", kind) != NULL;
        put(bytes, (char)kind, NULL, 0);
        CHECK((decode(bytes, 8) < 0) == !known);
        decoder = (struct wr_frame_decoder){0};
    }
    put(bytes, 'o', NULL, WR_RUNNER_TEXT + 1);
    CHECK_INT(decode(bytes, 8), -WR_E_INVALID_ARGUMENT);
    put(bytes, 'L', NULL, (size_t)WR_FRAME_MAX + 1);
    CHECK_INT(decode(bytes, 8), -WR_E_INVALID_ARGUMENT);
    put(bytes, 'C', NULL, WR_RUNNER_SMALL + 1);
    CHECK_INT(decode(bytes, 8), -WR_E_INVALID_ARGUMENT);
    for (int i = 5; i < 8; i++) {
        put(bytes, 'o', NULL, 0);
        bytes[i] = 1;
        CHECK_INT(decode(bytes, 8), -WR_E_INVALID_ARGUMENT);
    }
}

static void check_line(const char *text, bool bad, bool is_error)
{
    char bytes[256];
    size_t len = put(bytes, 'L', text, strlen(text));

    CHECK_INT(decode(bytes, len), len);
    if (piece.bad != bad || piece.is_error != is_error)
        wr_test_fail(__FILE__, __LINE__, "wrong verdict on %s", text);
}

TEST(lines_are_checked)
{
    check_line("{\"type\":\"result\",\"text\":\"1\"}", false, false);
    check_line("{\"type\": \"result\", \"text\": \"1\"}", false, false);
    check_line("{\"type\":\"error\",\"name\":\"E\"}", false, true);
    check_line("{\"type\": \"error\", \"name\": \"E\"}", false, true);
    check_line("", true, false);
    check_line("{}", true, false);
    check_line("{\"type\":\"result\"", true, false);
    check_line("{\"type\":\"end_of_execution\"}", true, false);
    check_line("{\"type\":\"result\",\"text\":\"\xc3\xa4\"}", true, false);
    check_line("{\"type\":\"result\",\"text\":\"\x7f\"}", true, false);
    check_line("{\"type\":\"result\"}\n{\"type\":\"error\"}", true, false);
    check_line("{\"type\":\"result\"} ", true, false);
    check_line(" {\"type\":\"result\"}", true, false);
}

/* A large line, cut everywhere: the pieces are the line. */
static void large_line(size_t step, size_t bad_at)
{
    static const char front[] = "{\"type\":\"result\",\"text\":\"";
    size_t len = 3 * WR_RUNNER_TEXT + 7, at = 0, have = 0, seen = 0, payload = len;
    char *bytes = malloc(len + WR_FRAME_HEADER);
    bool bad = false, last = false;

    CHECK(bytes != NULL);
    put(bytes, 'L', NULL, len);
    memset(bytes + WR_FRAME_HEADER, 'x', len);
    memcpy(bytes + WR_FRAME_HEADER, front, sizeof(front) - 1);
    bytes[WR_FRAME_HEADER + len - 1] = '}';
    if (bad_at > 0)
        bytes[WR_FRAME_HEADER + bad_at] = '\n';
    len += WR_FRAME_HEADER;
    decoder = (struct wr_frame_decoder){0};
    while (at < len) {
        have = have + step < len ? have + step : len;
        ssize_t n = decode(bytes + at, have - at);
        CHECK(n >= 0);
        if (n == 0) {
            CHECK(have - at < WR_FRAME_HEADER + WR_RUNNER_TEXT);
            continue;
        }
        CHECK_INT(piece.first, seen == 0);
        seen += piece.len;
        bad = bad || piece.bad;
        last = piece.last;
        at += (size_t)n;
    }
    CHECK(last);
    CHECK_INT(seen, payload);
    CHECK_INT(bad, bad_at > 0);
    CHECK_INT(decoder.kind, 0);
    free(bytes);
}

TEST(large_lines_come_in_pieces)
{
    large_line(1000000, 0);
    large_line(1, 0);
    large_line(4097, 0);
    large_line(4097, 100);
    large_line(4097, 3 * WR_RUNNER_TEXT);
}
