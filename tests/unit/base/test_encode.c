#include <errno.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "test.h"

TEST(hex)
{
    char out[9];
    wr_hex_encode("\x00\x7f\x80\xff", 4, out);
    CHECK_STR(out, "007f80ff");
    wr_hex_encode("", 0, out);
    CHECK_STR(out, "");
}

TEST(hex_values)
{
    for (int c = 0; c < 256; c++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;
        int place = at ? (int)(at - digits) : -1;
        CHECK_INT(wr_hex_value((char)c), place > 15 ? place - 6 : place);
    }
}

static const char *encode(const char *in)
{
    static char out[64];
    size_t n = wr_base64_encode(in, strlen(in), out);
    CHECK_INT(n, WR_BASE64_LEN(strlen(in)));
    out[n] = '\0';
    return out;
}

TEST(rfc4648_vectors)
{
    CHECK_STR(encode(""), "");
    CHECK_STR(encode("f"), "Zg==");
    CHECK_STR(encode("fo"), "Zm8=");
    CHECK_STR(encode("foo"), "Zm9v");
    CHECK_STR(encode("foob"), "Zm9vYg==");
    CHECK_STR(encode("fooba"), "Zm9vYmE=");
    CHECK_STR(encode("foobar"), "Zm9vYmFy");
    CHECK_STR(encode("\xfb\xff\xbf"), "+/+/");
}

static ssize_t decode(const char *in, const char **ret)
{
    static char out[64];
    ssize_t n = wr_base64_decode(in, strlen(in), out);
    if (n >= 0) {
        out[n] = '\0';
        *ret = out;
    }
    return n;
}

TEST(decode_both_alphabets_and_paddings)
{
    static const char *const same[][2] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zg", "f"},
        {"Zm8=", "fo"},
        {"Zm8", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg", "foob"},
        {"+/+/", "\xfb\xff\xbf"},
        {"-_-_", "\xfb\xff\xbf"},
        {"Zm9vYmE=", "fooba"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(same); i++) {
        const char *out = NULL;
        CHECK_INT(decode(same[i][0], &out), strlen(same[i][1]));
        CHECK_STR(out, same[i][1]);
    }
}

TEST(decode_refuses)
{
    static const char *const bad[] = {
        "Z",    "Zg=",   "Zg===", "=",      "==",       "===",     "====",
        "Z===", "Zm9vY", "Zm 9v", "Zm9v\n", "Zm9*",     "Zm\x80v", "Zg==Zg==",
        "Z=g=", "=Zg=",  "Zm9v=", "Zm9v==", "Zm9v====",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        const char *out = NULL;
        if (decode(bad[i], &out) != -EINVAL)
            wr_test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
    }
    char nul[4] = {'Z', 'm', 0, 'v'}, out[6];
    CHECK_INT(wr_base64_decode(nul, 4, out), -EINVAL);
}

TEST(all_bytes_of_all_lengths_in_place)
{
    for (size_t len = 0; len <= 300; len++) {
        unsigned char in[300];
        for (size_t i = 0; i < len; i++)
            in[i] = (unsigned char)(i * 7 + len);
        size_t n = WR_BASE64_LEN(len);
        wr_auto_free char *text = wr_calloc(n + 4, 1);
        CHECK(text);
        CHECK_INT(wr_base64_encode(in, len, text), n);
        CHECK_INT(wr_base64_decode(text, n, text), len);
        CHECK(memcmp(text, in, len) == 0);
    }
}
