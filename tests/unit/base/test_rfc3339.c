#include "base/clock.h"
#include "base/rfc3339.h"
#include "test.h"

static uint64_t parse(const char *text)
{
    uint64_t us = 0;
    if (wr_parse_rfc3339(text, &us) < 0)
        wr_test_fail(__FILE__, __LINE__, "\"%s\" was refused", text);
    return us;
}

TEST(forms)
{
    CHECK_INT(parse("1970-01-01T00:00:00Z"), 0);
    CHECK_INT(parse("1970-01-01T00:00:00.000001Z"), 1);
    CHECK_INT(parse("1970-01-01t00:00:00.1234567z"), 123456);
    CHECK_INT(parse("2001-09-09 01:46:40Z"), 1000000000000000);
    CHECK_INT(parse("2001-09-09T03:46:40+02:00"), 1000000000000000);
    CHECK_INT(parse("2001-09-08T20:16:40-05:30"), 1000000000000000);
    CHECK_INT(parse("2024-02-29T00:00:00Z"), 1709164800000000);
    CHECK_INT(parse("2016-12-31T23:59:60Z"), 1483228800000000);
}

TEST(reads_what_is_written)
{
    for (uint64_t ms = 1; ms < 4000000000000; ms = ms * 3 + 12345) {
        char text[25];
        wr_format_rfc3339(ms, text);
        CHECK_INT(parse(text), ms * 1000);
    }
}

TEST(refused)
{
    static const char *const bad[] = {"",
                                      "now",
                                      "1700000000",
                                      "2024-02-29",
                                      "2023-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2024-13-01T00:00:00Z",
                                      "2024-00-01T00:00:00Z",
                                      "2024-01-32T00:00:00Z",
                                      "2024-01-01T24:00:00Z",
                                      "2024-01-01T00:60:00Z",
                                      "2024-01-01T00:00:61Z",
                                      "2024-01-01T00:00:00",
                                      "2024-01-01T00:00:00.Z",
                                      "2024-01-01T00:00:00+2:00",
                                      "2024-01-01T00:00:00Zx",
                                      "24-01-01T00:00:00Z",
                                      "1969-12-31T23:59:59Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t us = 77;
        if (wr_parse_rfc3339(bad[i], &us) >= 0)
            wr_test_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i]);
        CHECK_INT(us, 77);
    }
}
