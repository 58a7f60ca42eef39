#include "rpc/timestamp.h"
#include "test.h"

static const struct {
    int64_t seconds;
    uint32_t nanos;
    const char *text;
} rows[] = {
    {0, 0, "1970-01-01T00:00:00Z"},
    {1767323045, 678000000, "2026-01-02T03:04:05.678Z"},
    {1767323045, 1000, "2026-01-02T03:04:05.000001Z"},
    {1767323045, 999999999, "2026-01-02T03:04:05.999999999Z"},
    {-1, 500000000, "1969-12-31T23:59:59.500Z"},
    {951782400, 0, "2000-02-29T00:00:00Z"},
    {4107542400, 0, "2100-03-01T00:00:00Z"},
    {-62135596800, 0, "0001-01-01T00:00:00Z"},
    {-62135596801 + 366 * 86400LL, 0, "0002-01-01T23:59:59Z"},
    {253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"},
};

TEST(both_ways)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char text[WR_TIMESTAMP_LEN];
        int64_t seconds = 0;
        uint32_t nanos = 1;
        CHECK(wr_timestamp_format(rows[i].seconds, rows[i].nanos, text));
        CHECK_STR(text, rows[i].text);
        CHECK(wr_timestamp_parse(text, &seconds, &nanos));
        CHECK_INT(seconds, rows[i].seconds);
        CHECK_INT(nanos, rows[i].nanos);
    }
}

/* Every day of four centuries and a bit, so that each kind of leap year is among them. */
TEST(every_day)
{
    char text[WR_TIMESTAMP_LEN];
    int64_t got = 0;
    uint32_t nanos = 0;

    for (int64_t day = -140000; day < 30000; day++) {
        CHECK(wr_timestamp_format(day * 86400, 0, text));
        CHECK(wr_timestamp_parse(text, &got, &nanos));
        CHECK_INT(got, day * 86400);
    }
}

TEST(other_forms)
{
    int64_t seconds = 0;
    uint32_t nanos = 0;
    CHECK(wr_timestamp_parse("1970-01-01t01:00:00.5+01:00", &seconds, &nanos));
    CHECK(seconds == 0 && nanos == 500000000);
    CHECK(wr_timestamp_parse("1969-12-31T23:30:00-00:30", &seconds, &nanos));
    CHECK_INT(seconds, 0);

    static const char *const bad[] = {
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00Zx",
        "1970-01-01T00:00:00+1:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "-970-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        if (wr_timestamp_parse(bad[i], &seconds, &nanos))
            wr_test_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
    }
    char text[WR_TIMESTAMP_LEN];
    CHECK(!wr_timestamp_format(-62135596801, 0, text));
    CHECK(!wr_timestamp_format(253402300800, 0, text));
    CHECK(!wr_timestamp_format(0, 1000000000, text));
}
