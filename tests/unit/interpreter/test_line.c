#include "interpreter/line.h"
#include "json/jread.h"
#include "test.h"

static json_t *parse(const struct wr_buf *line)
{
    json_t *json = NULL;
    struct wr_error err;

    CHECK(line->len > 0 && wr_buf_ptr(line)[line->len - 1] == '\n');
    for (size_t i = 0; i + 1 < line->len; i++)
        CHECK(wr_buf_ptr(line)[i] >= 0x20 && wr_buf_ptr(line)[i] < 0x7f);
    CHECK_INT(wr_json_parse(wr_buf_ptr(line), line->len, &json, &err), 0);
    return json;
}

static const char *get(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

TEST(text_is_ascii_and_has_a_time)
{
    wr_auto_buf line = WR_BUF(4096);
    static const char text[] = "\xe2\x80\xa8\xc2\x85 \xf0\x9f\x98\x80 \"\\\x7f\n";

    CHECK_INT(wr_line_text(&line, WR_STREAM_STDERR, text, sizeof(text) - 1), 0);
    wr_auto_json *json = parse(&line);
    CHECK_STR(get(json, "type"), "stderr");
    CHECK_STR(get(json, "text"), text);
    const char *time = get(json, "timestamp");
    CHECK_INT(strlen(time), 32);
    CHECK(time[10] == 'T' && time[19] == '.');
    CHECK_STR(time + 26, "+00:00");
}

TEST(bytes_that_are_no_text_are_replaced)
{
    wr_auto_buf line = WR_BUF(4096);

    CHECK_INT(wr_line_text(&line, WR_STREAM_STDOUT, "a\xff\xc3", 3), 0);
    wr_auto_json *json = parse(&line);
    CHECK_STR(get(json, "text"), "a\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(times_are_utc_with_microseconds)
{
    char text[33];

    wr_line_time(1767225600123456, text);
    CHECK_STR(text, "2026-01-01T00:00:00.123456+00:00");
    wr_line_time(0, text);
    CHECK_STR(text, "1970-01-01T00:00:00.000000+00:00");
}

TEST(errors_have_all_fields)
{
    wr_auto_buf line = WR_BUF(4096);

    CHECK_INT(wr_line_error(&line, "Name", "v\xc3\xa4lue", ""), 0);
    wr_auto_json *json = parse(&line);
    CHECK_STR(get(json, "type"), "error");
    CHECK_STR(get(json, "name"), "Name");
    CHECK_STR(get(json, "value"), "v\xc3\xa4lue");
    CHECK_STR(get(json, "traceback"), "");
}

TEST(counts_and_constants)
{
    wr_auto_buf line = WR_BUF(4096);

    CHECK_INT(wr_line_count(&line, 17), 0);
    wr_auto_json *json = parse(&line);
    CHECK_STR(get(json, "type"), "number_of_executions");
    CHECK_INT(json_integer_value(json_object_get(json, "execution_count")), 17);
    CHECK_STR(wr_line_end, "{\"type\": \"end_of_execution\"}\n");
    CHECK_STR(wr_line_keepalive, "{\"type\": \"keepalive\"}\n");
}
