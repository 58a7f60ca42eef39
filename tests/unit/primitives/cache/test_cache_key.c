#include "json/value.h"
#include "primitives/cache/cache_key.h"
#include "test.h"

static const struct wr_cache_key_base none = {.inner_scope = "", .scope = ""};

static void key_of(const struct wr_cache_key_base *base, const char *json,
                   char ret[static WR_CACHE_KEY_SIZE])
{
    struct wr_error err = {0};
    struct wr_value *value = NULL;
    CHECK_INT(wr_value_parse(json, strlen(json), &value, &err), 0);
    CHECK_INT(wr_cache_key_of_input(base, value, ret, &err), 0);
    CHECK_INT(strlen(ret), 64);
    wr_value_free(value);
}

static bool same(const char *a, const char *b)
{
    char key_a[WR_CACHE_KEY_SIZE], key_b[WR_CACHE_KEY_SIZE];
    key_of(&none, a, key_a);
    key_of(&none, b, key_b);
    return strcmp(key_a, key_b) == 0;
}

TEST(each_member_that_decides_is_in_it)
{
    static const char *const inputs[] = {
        "{\"code\":\"1\"}",
        "{\"code\":\"2\"}",
        "{\"code\":\"1\",\"language\":\"bash\"}",
        "{\"code\":\"1\",\"language\":\"python\"}",
        "{\"code\":\"1\",\"env\":{\"A\":\"1\"}}",
        "{\"code\":\"1\",\"env\":{\"A\":\"2\"}}",
        "{\"code\":\"1\",\"template\":\"x\"}",
        "{\"code\":\"1\",\"timeout\":1}",
        "{\"code\":\"1\",\"timeout\":2}",
        "{\"code\":\"1\",\"timeout\":1.5}",
        "{\"code\":\"1\",\"files\":{\"a\":\"b\"}}",
        "{\"code\":\"1\",\"files\":{\"a\":{\"base64\":\"b\"}}}",
        "{\"code\":\"1\",\"install\":[\"a\",\"b\"]}",
        "{\"code\":\"1\",\"install\":[\"b\",\"a\"]}",
        "{\"code\":\"1\",\"install\":[]}",
        "{\"code\":\"1\",\"seed\":1}",
    };
    size_t count = sizeof inputs / sizeof *inputs;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            CHECK(same(inputs[i], inputs[k]) == (i == k));
}

TEST(what_means_the_same_has_the_same_key)
{
    CHECK(same("{\"code\":\"1\",\"timeout\":30,\"env\":{\"A\":\"1\",\"B\":\"2\"}}",
               "{\"env\":{\"B\":\"2\",\"A\":\"1\"},\"timeout\":30.0,\"code\":\"1\"}"));
    CHECK(same("{\"code\":\"1\"}", "{\"code\":\"1\",\"timeout\":null}"));
    CHECK(same("{\"code\":\"1\",\"timeout\":2,\"env\":{\"A\":\"1\"}}",
               "{\"code\":\"1\",\"timeout_seconds\":2.0,\"env_vars\":{\"A\":\"1\"}}"));
}

TEST(an_input_that_says_something_twice_is_like_no_other)
{
    static const char both[] = "{\"code\":\"1\",\"timeout\":2,\"timeout_seconds\":3}";
    CHECK(!same(both, "{\"code\":\"1\",\"timeout\":2}"));
    CHECK(!same(both, "{\"code\":\"1\",\"timeout\":3}"));
}

TEST(what_is_no_execution_counts_as_a_whole)
{
    CHECK(!same("{\"a\":1}", "{\"a\":2}"));
    CHECK(!same("{\"code\":1}", "{\"code\":1,\"note\":1}"));
    CHECK(!same("\"a\"", "\"b\""));
    CHECK(!same("null", "false"));
    CHECK(same("[1, 2]", "[1,2]"));
}

TEST(scopes_and_their_border_are_in_it)
{
    static const struct wr_cache_key_base bases[] = {{"", ""},   {"a", ""},  {"", "a"},
                                                     {"a", "b"}, {"ab", ""}, {"", "ab"}};
    char keys[6][WR_CACHE_KEY_SIZE], texts[6][WR_CACHE_KEY_SIZE];

    for (size_t i = 0; i < 6; i++) {
        key_of(&bases[i], "{\"code\":\"1\"}", keys[i]);
        wr_cache_key_of_text(&bases[i], "{\"code\":\"1\"}", texts[i]);
        for (size_t k = 0; k < i; k++) {
            CHECK(strcmp(keys[i], keys[k]) != 0);
            CHECK(strcmp(texts[i], texts[k]) != 0);
        }
        CHECK(strcmp(keys[i], texts[i]) != 0);
    }
}

TEST(the_key_is_the_same_in_every_version_of_the_library)
{
    /* Other processes, with other versions, read the same stores: a change of this needs a new
     * version of the form. sha256 of the texts below, each with its NUL, and the JSON. */
    char key[WR_CACHE_KEY_SIZE];
    key_of(&none, "{\"code\":\"1\"}", key);
    CHECK_STR(key, "4560b3591c31c5d2584890224c03f8e1d6675091b69b301b59824b3d2036d682");
}
