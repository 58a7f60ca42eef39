#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "json/jwrite.h"
#include "test.h"

static const char *finish(struct wr_jw *w)
{
    CHECK_INT(wr_jw_finish(w), 0);
    return wr_buf_cstr(w->out);
}

TEST(nested_values)
{
    wr_auto_buf out = WR_BUF(4096);
    struct wr_jw w;
    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "s", "x");
    wr_jw_kstr(&w, "absent", NULL);
    wr_jw_ku64(&w, "u", UINT64_MAX);
    wr_jw_ki64(&w, "i", INT64_MIN);
    wr_jw_kbool(&w, "b", false);
    wr_jw_key(&w, "a");
    wr_jw_array(&w);
    wr_jw_null(&w);
    wr_jw_bool(&w, true);
    wr_jw_double(&w, 1.5, 2);
    wr_jw_double(&w, NAN, 2);
    wr_jw_double(&w, -INFINITY, 2);
    wr_jw_number(&w, 0.1);
    wr_jw_number(&w, NAN);
    wr_jw_object(&w);
    wr_jw_end(&w);
    wr_jw_array(&w);
    wr_jw_end(&w);
    wr_jw_end(&w);
    wr_jw_key(&w, "d");
    wr_jw_base64(&w, "\0\xff", 2);
    wr_jw_key(&w, "r");
    wr_jw_raw(&w, "{\"x\":1}", 7);
    wr_jw_kbool(&w, "z", true);
    wr_jw_end(&w);
    CHECK_STR(finish(&w),
              "{\"s\":\"x\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"b\":false,"
              "\"a\":[null,true,1.50,null,null,0.1,null,{},[]],\"d\":\"AP8=\","
              "\"r\":{\"x\":1},\"z\":true}");
}

static void check_string(const char *in, size_t len, bool ascii, const char *expected)
{
    wr_auto_buf out = WR_BUF(4096);
    struct wr_jw w;
    wr_jw_init(&w, &out);
    w.ascii = ascii;
    wr_jw_strn(&w, in, len);
    CHECK_STR(finish(&w), expected);
}

TEST(strings_are_escaped)
{
    check_string("", 0, false, "\"\"");
    check_string("a\"b\\c", 5, false, "\"a\\\"b\\\\c\"");
    check_string("\n\r\t\b\x1f", 5, false, "\"\\n\\r\\t\\u0008\\u001f\"");
    check_string("a\0b", 3, false, "\"a\\u0000b\"");
    check_string("\x7f", 1, false, "\"\x7f\"");
    check_string("\x7f", 1, true, "\"\\u007f\"");
    check_string("\xc3\xa4\xf0\x9f\x98\x80", 6, false, "\"\xc3\xa4\xf0\x9f\x98\x80\"");
    check_string("\xc3\xa4\xf0\x9f\x98\x80", 6, true, "\"\\u00e4\\ud83d\\ude00\"");
}

TEST(bad_utf8_is_replaced)
{
    static const char *const bad[] = {
        "\x80", /* lone continuation */
        "\xc0", /* never valid */
        "\xc3", /* cut short */
        "\xff",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        check_string(bad[i], strlen(bad[i]), false, "\"\xef\xbf\xbd\"");
        check_string(bad[i], strlen(bad[i]), true, "\"\\ufffd\"");
    }
    /* Surrogates, over-long forms and code points above U+10FFFF: one mark per byte. */
    check_string("\xed\xa0\x80", 3, true, "\"\\ufffd\\ufffd\\ufffd\"");
    check_string("\xc0\xaf", 2, true, "\"\\ufffd\\ufffd\"");
    check_string("\xf4\x90\x80\x80", 4, true, "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    check_string("a\xe2\x82z", 4, false, "\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
}

TEST(every_byte_pair_gives_readable_json)
{
    for (unsigned i = 0; i < 65536; i++) {
        char in[2] = {(char)(i >> 8), (char)i};
        wr_auto_buf out = WR_BUF(64);
        struct wr_jw w;
        wr_jw_init(&w, &out);
        wr_jw_array(&w);
        wr_jw_strn(&w, in, 2);
        wr_jw_end(&w);
        CHECK_INT(wr_jw_finish(&w), 0);
        json_t *json = json_loadb(wr_buf_ptr(&out), out.len, JSON_ALLOW_NUL, NULL);
        CHECK(json != NULL);
        json_decref(json);
    }
}

TEST(a_full_buffer_is_told_once)
{
    wr_auto_buf out = WR_BUF(10);
    struct wr_jw w;
    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "key", "0123456789");
    wr_jw_end(&w);
    CHECK_INT(wr_jw_finish(&w), -ENOBUFS);

    wr_auto_buf small = WR_BUF(8);
    wr_jw_init(&w, &small);
    wr_jw_base64(&w, "0123456789", 10);
    CHECK_INT(wr_jw_finish(&w), -ENOBUFS);
}
