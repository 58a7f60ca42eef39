#include <errno.h>

#include "base/parse.h"
#include "test.h"

TEST(u64)
{
    uint64_t v = 99;
    CHECK_INT(wr_parse_u64("0", 0, UINT64_MAX, &v), 0);
    CHECK_INT(v, 0);
    CHECK_INT(wr_parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
    CHECK(v == UINT64_MAX);
    CHECK_INT(wr_parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
    CHECK_INT(wr_parse_u64("99999999999999999999999", 0, UINT64_MAX, &v), -ERANGE);
    CHECK_INT(wr_parse_u64("007", 0, 10, &v), 0);
    CHECK_INT(v, 7);
    CHECK_INT(wr_parse_u64("4", 5, 10, &v), -ERANGE);
    CHECK_INT(wr_parse_u64("5", 5, 10, &v), 0);
    CHECK_INT(wr_parse_u64("10", 5, 10, &v), 0);
    CHECK_INT(wr_parse_u64("11", 5, 10, &v), -ERANGE);
    CHECK_INT(v, 10);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1.0", "1a", "\n1", "a", "99999999999999999999999x"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(wr_parse_u64(bad[i], 0, UINT64_MAX, &v), -EINVAL);
    CHECK_INT(v, 10);
}

TEST(i64)
{
    int64_t v = 0;
    CHECK_INT(wr_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), 0);
    CHECK(v == INT64_MIN);
    CHECK_INT(wr_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v), -ERANGE);
    CHECK_INT(wr_parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v), 0);
    CHECK(v == INT64_MAX);
    CHECK_INT(wr_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
    CHECK_INT(wr_parse_i64("-5", -5, 5, &v), 0);
    CHECK_INT(v, -5);
    CHECK_INT(wr_parse_i64("-6", -5, 5, &v), -ERANGE);
    CHECK_INT(wr_parse_i64("6", -5, 5, &v), -ERANGE);
    CHECK_INT(wr_parse_i64("", -5, 5, &v), -EINVAL);
    CHECK_INT(wr_parse_i64("-", -5, 5, &v), -EINVAL);
    CHECK_INT(wr_parse_i64("--1", -5, 5, &v), -EINVAL);
    CHECK_INT(wr_parse_i64("+1", -5, 5, &v), -EINVAL);
}

struct sample {
    const char *text;
    uint64_t value;
};

static void check_all(int (*parse)(const char *, uint64_t *), const struct sample *samples,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t v = 0;
        int r = parse(samples[i].text, &v);
        if (r != 0 || v != samples[i].value)
            wr_test_fail(__FILE__, __LINE__, "%s: %d, %llu", samples[i].text, r,
                         (unsigned long long)v);
    }
}

static void check_bad(int (*parse)(const char *, uint64_t *), const char *const *bad, size_t count,
                      int expected)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t v = 77;
        int r = parse(bad[i], &v);
        if (r != expected || v != 77)
            wr_test_fail(__FILE__, __LINE__, "%s: %d", bad[i], r);
    }
}

TEST(size)
{
    static const struct sample good[] = {
        {"0", 0},
        {"1048576", 1048576},
        {"5B", 5},
        {"512M", 512 * WR_MIB},
        {"2G", 2 * WR_GIB},
        {"64k", 64 * WR_KIB},
        {"64KiB", 64 * WR_KIB},
        {"64kb", 64 * WR_KIB},
        {"1.5G", WR_GIB * 3 / 2},
        {"0.5T", 512 * WR_GIB},
        {"0.000001T", 1099511},
        {"16777215T", WR_GIB * 1024 * 16777215},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {"",    "M",          "-1M", "1 M", "1MM",   "1iB",
                                      "1.5", "1.5B",       "1.",  ".5M", "1..5M", "1.5.1M",
                                      "1e3", "1.0000001M", "1X",  "1M ", "0x10"};
    static const char *const large[] = {"16777216T", "18446744073709551616",
                                        "18446744073709551615k"};
    check_all(wr_parse_size, good, WR_ARRAY_SIZE(good));
    check_bad(wr_parse_size, bad, WR_ARRAY_SIZE(bad), -EINVAL);
    check_bad(wr_parse_size, large, WR_ARRAY_SIZE(large), -ERANGE);
}

TEST(duration)
{
    static const struct sample good[] = {{"0", 0},       {"500ms", 500},  {"30s", 30000},
                                         {"30", 30000},  {"10m", 600000}, {"2h", 7200000},
                                         {"1.5s", 1500}, {"0.25", 250}};
    static const char *const bad[] = {"", "s", "1d", "-1", "1.5ms", "1 s", "1s1", "1hm"};
    static const char *const large[] = {"18446744073709551615s", "9999999999999999h"};
    check_all(wr_parse_duration, good, WR_ARRAY_SIZE(good));
    check_bad(wr_parse_duration, bad, WR_ARRAY_SIZE(bad), -EINVAL);
    check_bad(wr_parse_duration, large, WR_ARRAY_SIZE(large), -ERANGE);
}

TEST(cpu)
{
    static const struct sample good[] = {{"2", 2000}, {"0.5", 500}, {"0.125", 125}, {"0", 0}};
    static const char *const bad[] = {"", ".5", "1.", "2k", "-1", "1,5", "two"};
    check_all(wr_parse_cpu, good, WR_ARRAY_SIZE(good));
    check_bad(wr_parse_cpu, bad, WR_ARRAY_SIZE(bad), -EINVAL);
}

static const char *format(uint64_t bytes)
{
    static char out[16];
    wr_format_size(bytes, out, sizeof(out));
    return out;
}

TEST(format_size)
{
    CHECK_STR(format(0), "0 B");
    CHECK_STR(format(1023), "1023 B");
    CHECK_STR(format(1024), "1.0 KiB");
    CHECK_STR(format(1536), "1.5 KiB");
    CHECK_STR(format(WR_MIB - 1), "1.0 MiB");
    CHECK_STR(format(1503238553), "1.4 GiB");
    CHECK_STR(format(UINT64_MAX), "16.0 EiB");
    char small[4];
    wr_format_size(123456, small, sizeof(small));
    CHECK_STR(small, "120");
}
