#include "cli/out.h"
#include "test.h"

TEST(times)
{
    CHECK_INT(wr_parse_time("1970-01-01T00:00:01.250Z"), 1250);
    CHECK_INT(wr_parse_time("2026-01-02T03:04:05Z"), 1767323045000);
    CHECK_INT(wr_parse_time("yesterday"), 0);
    CHECK_INT(wr_parse_time(NULL), 0);
}

static void span(uint64_t ms, const char *text)
{
    char out[32];
    wr_format_span(ms, out, sizeof out);
    CHECK_STR(out, text);
}

TEST(spans)
{
    span(0, "0 s");
    span(119000, "119 s");
    span(120000, "2 min");
    span(7200000, "2.0 h");
    span(172800000, "2 d");
}

TEST(cells_cannot_drive_the_terminal)
{
    static const char *const headers[] = {"A"};
    struct wr_table table;
    wr_table_init(&table, headers, 1);
    wr_table_cell(&table, "a\033[2Jb\nc\x7f");
    wr_table_cell(&table, "\xff\xfe");
    wr_table_cell(&table, "\xc3\xa4");
    wr_table_cell(&table, NULL);
    CHECK_STR(table.cells[0], "a?[2Jb?c?");
    CHECK_STR(table.cells[1], "??");
    CHECK_STR(table.cells[2], "\xc3\xa4");
    CHECK_STR(table.cells[3], "-");
    wr_table_done(&table);
}

static void repaired(const char *bytes, size_t len, const char *expected)
{
    char *text = wr_utf8_repair(bytes, len);
    CHECK_STR(text, expected);
    free(text);
}

TEST(repair)
{
    repaired("", 0, "");
    repaired("plain", 5, "plain");
    repaired("\xc3\xa4\xf0\x9f\x98\x80", 6, "\xc3\xa4\xf0\x9f\x98\x80");
    repaired("a\xff"
             "b",
             3,
             "a\xef\xbf\xbd"
             "b");
    repaired("\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd");
    repaired("a\0b", 3,
             "a\xef\xbf\xbd"
             "b");
}
