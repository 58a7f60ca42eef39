#include "base/buf.h"
#include "base/str.h"
#include "primitives/observe/otel_pairs.h"
#include "test.h"

static int append(const struct wr_otel_pair *pair, void *data, struct wr_error *err)
{
    if (wr_streq(pair->key, "stop"))
        return wr_fail(err, WR_E_ABORTED, 0, "stopped");
    CHECK(wr_buf_printf(data, "[%s|%s]", pair->key, pair->value) == 0);
    return 0;
}

static void check(const char *text, const char *expected)
{
    wr_auto_buf out = WR_BUF(4096);
    struct wr_error err = {0};

    CHECK_INT(wr_otel_pairs_read(text, append, &out, &err), 0);
    CHECK(wr_buf_append_str(&out, "") == 0);
    const char *got = wr_buf_cstr(&out);
    CHECK_STR(got, expected);
}

TEST(lists)
{
    check("", "");
    check(" , ", "");
    check("a=b", "[a|b]");
    check(" a = b ,c=d,", "[a|b][c|d]");
    check("authorization=Basic%20eDp5%3D%3D", "[authorization|Basic eDp5==]");
    check("a=b=c", "[a|b=c]"); /* the first one counts */
    check("a=", "[a|]");
    check("a=%2C%c3%a4", "[a|,\xc3\xa4]");
}

static void check_bad(const char *text)
{
    wr_auto_buf out = WR_BUF(4096);
    struct wr_error err = {0};

    CHECK_INT(wr_otel_pairs_read(text, append, &out, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!strstr(err.msg, "secret"));
}

TEST(what_is_none)
{
    check_bad("a");
    check_bad("=secret");
    check_bad("a=secret%2");
    check_bad("a=secret%zz");
    check_bad("a=secret%00");
    check_bad("a=b,secret");
}

TEST(an_error_of_the_reader_ends_it)
{
    wr_auto_buf out = WR_BUF(4096);
    struct wr_error err = {0};

    CHECK_INT(wr_otel_pairs_read("a=b,stop=1,c=d", append, &out, &err), -WR_E_ABORTED);
    CHECK_STR(wr_buf_cstr(&out), "[a|b]");
}

TEST(its_length_is_bounded)
{
    static char text[WR_OTEL_PAIRS_MAX + 1];
    struct wr_error err = {0};
    wr_auto_buf out = WR_BUF(2 * WR_OTEL_PAIRS_MAX);

    memset(text, 'x', sizeof text - 1);
    text[1] = '=';
    CHECK_INT(wr_otel_pairs_read(text, append, &out, &err), -WR_E_INVALID_ARGUMENT);
    text[sizeof text - 2] = '\0';
    CHECK_INT(wr_otel_pairs_read(text, append, &out, &err), 0);
}
