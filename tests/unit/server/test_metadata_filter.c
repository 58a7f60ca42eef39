#include "server/api/metadata_filter.h"
#include "test.h"

static bool matches(const char *filter_text, json_t *metadata)
{
    struct wr_error err = {0};
    json_t *filter = NULL;
    CHECK_INT(wr_metadata_filter_parse(filter_text, &filter, &err), 0);
    bool match = wr_metadata_filter_match(filter, metadata);
    json_decref(filter);
    json_decref(metadata);
    return match;
}

TEST(pairs)
{
    CHECK(matches("", NULL));
    CHECK(matches("k=v", json_pack("{s:s}", "k", "v")));
    CHECK(matches("k=v", json_pack("{s:s, s:s}", "k", "v", "x", "y")));
    CHECK(!matches("k=v", json_pack("{s:s}", "k", "w")));
    CHECK(!matches("k=v&x=y", json_pack("{s:s}", "k", "v")));
    CHECK(!matches("k=v", NULL));
    CHECK(matches("k=", json_pack("{s:s}", "k", "")));
}

TEST(two_layers_of_encoding)
{
    CHECK(matches("a%2520b=c%2526d", json_pack("{s:s}", "a b", "c&d")));
    CHECK(matches("a%20b=c%26d", json_pack("{s:s}", "a b", "c&d")));
    CHECK(matches("k=1+2", json_pack("{s:s}", "k", "1 2")));
    CHECK(matches("k=1%252B2", json_pack("{s:s}", "k", "1+2")));
}

TEST(refused)
{
    static const char *const bad[] = {"k",     "=v",      "k=%",   "k=%2", "k=%zz",
                                      "k=%00", "k=%2500", "a=b&c", "&a=b", "k=\xff"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        struct wr_error err = {0};
        json_t *filter = NULL;
        if (wr_metadata_filter_parse(bad[i], &filter, &err) != -WR_E_INVALID_ARGUMENT || filter)
            wr_test_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i]);
        CHECK(strstr(err.msg, "error parsing metadata"));
    }
}
