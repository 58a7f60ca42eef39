#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/str.h"
#include "log/log.h"
#include "test.h"

static int pipe_out = -1;

/* From here on stderr is a pipe that holds what was logged. */
static void capture(enum wr_log_level min_level)
{
    int p[2];
    CHECK_INT(pipe2(p, O_CLOEXEC | O_DIRECT), 0); /* packets: one read returns one write */
    CHECK(dup2(p[1], STDERR_FILENO) == STDERR_FILENO);
    CHECK_INT(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
    (void)close(p[1]);
    pipe_out = p[0];
    wr_log_init("test", min_level);
}

/* One write as text; the time is checked and cut off. */
static const char *next(void)
{
    static char text[8192];
    ssize_t n = read(pipe_out, text, sizeof(text) - 1);
    if (n <= 0)
        return "";
    text[n] = '\0';
    CHECK(strchr(text, '\n') == text + n - 1);
    size_t skip = text[0] == '{' ? strlen("{\"time\":\"2026-01-02T03:04:05.678Z\",")
                                 : strlen("time=2026-01-02T03:04:05.678Z ");
    CHECK((size_t)n > skip);
    return text + skip;
}

TEST(logfmt)
{
    capture(WR_LOG_INFO);
    errno = ENOTTY;
    wr_log(WR_LOG_INFO, "sandbox created", "sandbox", "abc", "empty", "", NULL);
    CHECK_INT(errno, ENOTTY);
    CHECK_STR(next(), "level=info component=test msg=\"sandbox created\" sandbox=abc empty=\"\"\n");
    wr_log(WR_LOG_DEBUG, "hidden", NULL);
    CHECK_STR(next(), "");
    wr_log(WR_LOG_ERROR, "x", NULL);
    CHECK_STR(next(), "level=error component=test msg=x\n");
}

TEST(a_missing_value_ends_the_pairs)
{
    capture(WR_LOG_INFO);
    const char *none = NULL;
    wr_log(WR_LOG_INFO, "x", "a", "1", "b", none, "c", "3", NULL);
    CHECK_STR(next(), "level=info component=test msg=x a=1\n");
}

TEST(nothing_can_forge_a_line)
{
    capture(WR_LOG_INFO);
    wr_log(WR_LOG_WARN, "m", "v", "a\nlevel=error \"q\" \\ \x1b[31m\r\t\x7f", NULL);
    CHECK_STR(next(), "level=warn component=test msg=m "
                      "v=\"a\\nlevel=error \\\"q\\\" \\\\ \\x1b[31m\\r\\t\\x7f\"\n");
    wr_log(WR_LOG_WARN, "m", "v", "gr\xc3\xbc\xc3\x9f \xff \xc2\x9b \xe2\x82", NULL);
    CHECK_STR(next(), "level=warn component=test msg=m "
                      "v=\"gr\xc3\xbc\xc3\x9f \\xff \\xc2\\x9b \\xe2\\x82\"\n");
    wr_log(WR_LOG_WARN, "m", "v", "a=b", "w", "plain/text:1,2", NULL);
    CHECK_STR(next(), "level=warn component=test msg=m v=\"a=b\" w=plain/text:1,2\n");
}

TEST(json)
{
    capture(WR_LOG_INFO);
    wr_log_format_json(true);
    wr_log(WR_LOG_INFO, "a \"b\"\\", "k", "x\n\x01\xc3\xa4\xff", NULL);
    CHECK_STR(next(), "\"level\":\"info\",\"component\":\"test\",\"msg\":\"a \\\"b\\\"\\\\\","
                      "\"k\":\"x\\n\\u0001\xc3\xa4\\u00ff\"}\n");
}

/* Around the limit, byte by byte: the line ends properly, fits in one atomic write and says whether
 * it was cut. */
TEST(truncation_around_the_limit)
{
    for (int json = 0; json < 2; json++) {
        capture(WR_LOG_INFO);
        wr_log_format_json(json);
        bool was_cut = false, was_whole = false;
        for (size_t len = 3900; len < 4200; len++) {
            char value[4300];
            memset(value, 'v', len);
            memcpy(value + len, "\xc3\xa4\n", 4);
            wr_log(WR_LOG_INFO, "m", "v", value, "after", "x", NULL);
            const char *line = next();
            CHECK(strlen(line) + 40 <= 4096);
            bool cut = strstr(line, "truncated") != NULL;
            CHECK(!was_cut || cut);
            was_cut = cut;
            was_whole = was_whole || !cut;
            const char *end = json  ? cut ? "\",\"truncated\":\"true\"}\n" : ",\"after\":\"x\"}\n"
                              : cut ? " truncated=true\n"
                                    : " after=x\n";
            CHECK(wr_ends_with(line, end));
            CHECK(wr_utf8_valid(line, strlen(line)));
            /* All text is in closed quotes: an even number of them, none escaped here. */
            int quotes = 0;
            for (const char *c = line; *c; c++)
                quotes += *c == '"';
            CHECK_INT(quotes % 2, 0);
            const char *dots = strstr(line, "...");
            CHECK(!dots || wr_starts_with(dots, json ? "...\"," : "...\" ") ||
                  wr_starts_with(dots, "... truncated"));
        }
        CHECK(was_cut && was_whole);
    }
}

TEST(limited_lines)
{
    capture(WR_LOG_INFO);
    struct wr_log_limit limit = {0};
    for (int i = 0; i < 25; i++)
        wr_log_limited(&limit, WR_LOG_INFO, "flood", NULL);
    for (int i = 0; i < 10; i++)
        CHECK_STR(next(), "level=info component=test msg=flood\n");
    CHECK_STR(next(), "");
    CHECK_INT(limit.dropped, 15);
    limit.window_start_ms -= 1000;
    wr_log_limited(&limit, WR_LOG_INFO, "flood", "k", "v", NULL);
    CHECK_STR(next(), "level=info component=test msg=flood dropped=15 k=v\n");
    wr_log_limited(&limit, WR_LOG_INFO, "flood", NULL);
    CHECK_STR(next(), "level=info component=test msg=flood\n");
}
