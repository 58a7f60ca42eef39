#include "base/str.h"
#include "test.h"

TEST(prefix_and_suffix)
{
    CHECK(wr_starts_with("abc", "ab") && wr_starts_with("abc", "") && !wr_starts_with("ab", "abc"));
    CHECK(wr_ends_with("abc", "bc") && wr_ends_with("abc", "") && !wr_ends_with("bc", "abc"));
    CHECK(!wr_ends_with("abc", "ab"));
}

TEST(case_is_ascii_only)
{
    CHECK(wr_strcaseeq("Content-Type", "content-TYPE"));
    CHECK(!wr_strcaseeq("ab", "abc"));
    CHECK(!wr_strcaseeq("[", "{") && !wr_strcaseeq("@", "`"));
    CHECK(!wr_strcaseeq("\xc3\x84", "\xc3\xa4"));
    CHECK(wr_memcaseeq("A\0b", 3, "a\0B", 3) && !wr_memcaseeq("A\0b", 3, "a\0c", 3));
}

TEST(copy_and_format_report_truncation)
{
    char out[4] = "zzz";
    CHECK(wr_strcopy(out, 4, "abc"));
    CHECK_STR(out, "abc");
    CHECK(!wr_strcopy(out, 4, "abcd"));
    CHECK_STR(out, "");
    CHECK(!wr_strcopy(out, 0, ""));
    CHECK(wr_strformat(out, 4, "%d", 123));
    CHECK(!wr_strformat(out, 4, "%d", 1234));
    CHECK_STR(out, "123");
}

TEST(only)
{
    CHECK(wr_str_only("aab", "ab", 3, 3) && wr_str_only("", "ab", 0, 3));
    CHECK(!wr_str_only("aab", "ab", 4, 9) && !wr_str_only("aab", "ab", 0, 2));
    CHECK(!wr_str_only("aac", "ab", 0, 9));
}

static bool utf8(const char *s)
{
    return wr_utf8_valid(s, strlen(s));
}

TEST(utf8_edges)
{
    CHECK(utf8("") && utf8("plain \x7f") && wr_utf8_valid("\0", 1));
    CHECK(utf8("\xc2\x80") && utf8("\xdf\xbf") && utf8("\xe0\xa0\x80") && utf8("\xed\x9f\xbf"));
    CHECK(utf8("\xee\x80\x80") && utf8("\xef\xbf\xbf") && utf8("\xf0\x90\x80\x80"));
    CHECK(utf8("\xf4\x8f\xbf\xbf"));
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xe1\x80",
        "\xe1\x80\x7f",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "a\xe2\x82",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        if (utf8(bad[i]))
            wr_test_fail(__FILE__, __LINE__, "accepted number %zu", i);
    CHECK(!wr_utf8_valid("\xe2\x82\xac", 2));
}

TEST(constant_time_equality)
{
    CHECK(wr_memeq_consttime("abc", "abc", 3) && wr_memeq_consttime("a", "b", 0));
    CHECK(!wr_memeq_consttime("abc", "abd", 3) && !wr_memeq_consttime("Xbc", "abc", 3));
}

TEST(ids_and_names)
{
    CHECK(wr_id_valid("abcdefghij0123456789"));
    CHECK(!wr_id_valid("abcdefghij012345678") && !wr_id_valid("abcdefghij01234567890"));
    CHECK(!wr_id_valid("Abcdefghij0123456789") && !wr_id_valid("../defghij0123456789"));
    CHECK(wr_template_name_valid("base") && wr_template_name_valid("0") &&
          wr_template_name_valid("py-3.12_x"));
    CHECK(!wr_template_name_valid("") && !wr_template_name_valid(".hidden") &&
          !wr_template_name_valid("-x") && !wr_template_name_valid("a..b") &&
          !wr_template_name_valid("a/b") && !wr_template_name_valid("Base"));
    char name[65];
    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    CHECK(wr_template_name_valid(name));
    name[63] = 'a';
    name[64] = '\0';
    CHECK(!wr_template_name_valid(name));
}

TEST(prefix_between_characters)
{
    CHECK_INT(wr_utf8_prefix("", 0), 0);
    CHECK_INT(wr_utf8_prefix("abc", 3), 3);
    CHECK_INT(wr_utf8_prefix("abcd", 3), 3);
    CHECK_INT(wr_utf8_prefix("ab\xc3\xa4", 3), 2);
    CHECK_INT(wr_utf8_prefix("ab\xc3\xa4", 4), 4);
    CHECK_INT(wr_utf8_prefix("\xf0\x9f\x90\x87", 3), 0);
}
