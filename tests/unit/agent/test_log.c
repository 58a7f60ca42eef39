#include "agent/log.h"
#include "test.h"

static struct wr_agent_log_record record;

static void feed(struct wr_agent_log *log, struct wr_agent_log_source *source, const char *text)
{
    wr_agent_log_bytes(log, source, text, strlen(text));
}

static const char *next(const struct wr_agent_log *log, struct wr_agent_log_cursor *cursor)
{
    static char text[WR_AGENT_LOG_LINE_MAX + 1];
    if (!wr_agent_log_next(log, cursor, &record))
        return NULL;
    memcpy(text, record.text, record.len);
    text[record.len] = '\0';
    return text;
}

TEST(lines_are_split_and_joined)
{
    struct wr_agent_log log;
    struct wr_agent_log_source out, err;
    struct wr_agent_log_cursor cursor = {0};

    wr_agent_log_init(&log, 65536);
    wr_agent_log_source_init(&out, WR_STREAM_STDOUT, 7);
    wr_agent_log_source_init(&err, WR_STREAM_STDERR, 8);
    CHECK(next(&log, &cursor) == NULL);
    feed(&log, &out, "one\ntw");
    feed(&log, &err, "oops\n");
    feed(&log, &out, "o\n\nthree");
    CHECK_STR(next(&log, &cursor), "one");
    CHECK_INT(record.pid, 7);
    CHECK_INT(record.stream, WR_STREAM_STDOUT);
    CHECK(record.wall_ms > 0);
    CHECK_STR(next(&log, &cursor), "oops");
    CHECK_INT(record.stream, WR_STREAM_STDERR);
    CHECK_STR(next(&log, &cursor), "two");
    CHECK_STR(next(&log, &cursor), "");
    CHECK(next(&log, &cursor) == NULL);
    wr_agent_log_source_flush(&log, &out);
    CHECK_STR(next(&log, &cursor), "three");
    CHECK_INT(record.missed, 0);
    wr_agent_log_source_flush(&log, &err);
    CHECK(next(&log, &cursor) == NULL);
    wr_agent_log_done(&log);
}

TEST(long_lines_become_several_records)
{
    struct wr_agent_log log;
    struct wr_agent_log_source out;
    struct wr_agent_log_cursor cursor = {0};
    char text[3 * WR_AGENT_LOG_LINE_MAX];

    wr_agent_log_init(&log, 65536);
    wr_agent_log_source_init(&out, WR_STREAM_STDOUT, 1);
    memset(text, 'x', sizeof(text));
    text[WR_AGENT_LOG_LINE_MAX] = '\n'; /* the longest line that is one record */
    text[WR_AGENT_LOG_LINE_MAX + 1 + WR_AGENT_LOG_LINE_MAX + 1] = '\n'; /* one byte longer */
    wr_agent_log_bytes(&log, &out, text, 2 * WR_AGENT_LOG_LINE_MAX + 3);
    CHECK(next(&log, &cursor) != NULL);
    CHECK_INT(record.len, WR_AGENT_LOG_LINE_MAX);
    CHECK(next(&log, &cursor) != NULL);
    CHECK_INT(record.len, WR_AGENT_LOG_LINE_MAX);
    CHECK_STR(next(&log, &cursor), "x");
    CHECK(next(&log, &cursor) == NULL);
    wr_agent_log_done(&log);
}

TEST(the_oldest_go_and_readers_are_told)
{
    struct wr_agent_log log;
    struct wr_agent_log_source out;
    struct wr_agent_log_cursor from_start = {0}, reader = {0};
    char text[64];
    int seen = 0;

    wr_agent_log_init(&log, WR_AGENT_LOG_MIN);
    wr_agent_log_source_init(&out, WR_STREAM_STDOUT, 1);
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "line %d of a text that is long enough\n", i);
        feed(&log, &out, text);
        if (i == 0) {
            CHECK_STR(next(&log, &reader), "line 0 of a text that is long enough");
            CHECK_INT(record.missed, 0);
        }
        CHECK(log.tail - log.head <= log.max_bytes);
    }
    const char *line = next(&log, &from_start);
    CHECK(line != NULL && record.missed > 0 && record.missed == log.first_seq);
    uint64_t missed = record.missed;
    snprintf(text, sizeof(text), "line %llu of a text that is long enough",
             (unsigned long long)missed);
    CHECK_STR(line, text);
    for (seen = 1; next(&log, &from_start); seen++)
        CHECK_INT(record.missed, 0);
    CHECK_INT((long long)missed + seen, 5000);
    CHECK(next(&log, &reader) != NULL);
    CHECK_INT(record.missed, missed - 1); /* it had read the first one */
    wr_agent_log_done(&log);
}

TEST(a_ring_that_is_too_small_keeps_nothing)
{
    struct wr_agent_log log;
    struct wr_agent_log_source out;
    struct wr_agent_log_cursor cursor = {0};

    wr_agent_log_init(&log, WR_AGENT_LOG_MIN - 1);
    wr_agent_log_source_init(&out, WR_STREAM_STDOUT, 1);
    feed(&log, &out, "lost\npartial");
    wr_agent_log_source_flush(&log, &out);
    CHECK(next(&log, &cursor) == NULL);
    CHECK(log.ring == NULL);
    wr_agent_log_done(&log);
}

TEST(silence_costs_nothing)
{
    struct wr_agent_log log;
    wr_agent_log_init(&log, 1 << 20);
    CHECK(log.ring == NULL);
    wr_agent_log_done(&log);
}
