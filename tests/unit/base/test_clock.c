#include "base/clock.h"
#include "test.h"

static const char *format(uint64_t ms)
{
    static char out[25];
    wr_format_rfc3339(ms, out);
    return out;
}

TEST(rfc3339)
{
    CHECK_STR(format(0), "1970-01-01T00:00:00.000Z");
    CHECK_STR(format(951782399999), "2000-02-28T23:59:59.999Z");
    CHECK_STR(format(951782400000), "2000-02-29T00:00:00.000Z");
    CHECK_STR(format(951868800000), "2000-03-01T00:00:00.000Z");
    CHECK_STR(format(1767323045678), "2026-01-02T03:04:05.678Z");
    CHECK_STR(format(1735689599001), "2024-12-31T23:59:59.001Z");
    CHECK_STR(format(4107542400000), "2100-03-01T00:00:00.000Z");
    CHECK_STR(format(253402300799999), "9999-12-31T23:59:59.999Z");
    CHECK_STR(format(UINT64_MAX), "9999-12-31T23:59:59.999Z");
}

TEST(ends_do_not_wrap)
{
    uint64_t now = wr_mono_ms();

    CHECK(wr_mono_end_ms(1000) - now >= 1000 && wr_mono_end_ms(1000) - now < 61000);
    CHECK(wr_mono_end_ms(0) >= now);
    CHECK_INT(wr_mono_end_ms(UINT64_MAX), UINT64_MAX);
    CHECK(wr_mono_end_ms(UINT64_MAX - 1) == UINT64_MAX);
}

TEST(clocks_run)
{
    uint64_t us = wr_mono_us(), ms = wr_mono_ms();
    CHECK(us > 0);
    CHECK(ms >= us / 1000 && ms - us / 1000 < 60000);
    CHECK(wr_mono_us() >= us);
    CHECK(wr_wall_ms() > 1600000000000);
}
