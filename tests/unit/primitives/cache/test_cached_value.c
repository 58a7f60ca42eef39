#include "json/value.h"
#include "primitives/cache/cached_value.h"
#include "support/primitive_call.h"
#include "test.h"

static struct wr_value *parse(const char *json)
{
    struct wr_error err = {0};
    struct wr_value *value = NULL;
    CHECK_INT(wr_value_parse(json, strlen(json), &value, &err), 0);
    return value;
}

static void round_trip(const char *json, const char *expected)
{
    struct wr_cache_text text = {0};
    struct wr_error err = {0};
    wr_auto_value *value = parse(json);
    wr_auto_value *read = NULL;
    CHECK(wr_cached_value_write(value, &text));
    CHECK_INT(strlen(text.text), text.len);
    CHECK_INT(wr_cached_value_read(&text, &read, &err), 0);
    primitive_check_value(read, expected);
    primitive_check_value(value, json);
    free(text.text);
}

TEST(values_come_back_marked)
{
    round_trip("{\"a\":[1,2.5,null,\"x\\u0000y\"]}",
               "{\"a\":[1,2.5,null,\"x\\u0000y\"],\"cached\":true}");
    round_trip("{\"cached\":false,\"success\":true}", "{\"cached\":true,\"success\":true}");
    round_trip("[1]", "[1]");
    round_trip("\"text\"", "\"text\"");
    round_trip("null", "null");
}

TEST(the_largest_is_written_and_one_byte_more_is_not)
{
    static const char frame[] = "{\"v\":1,\"value\":\"\"}";
    size_t len = WR_CACHE_VALUE_MAX - strlen(frame);
    char *bytes = malloc(len + 2);
    CHECK(bytes);
    memset(bytes, 'x', len + 1);
    bytes[len + 1] = '\0';
    struct wr_cache_text text = {0};
    struct wr_value *value = wr_value_of_string(bytes);
    CHECK(!wr_cached_value_write(value, &text));
    CHECK(!text.text);
    wr_value_free(value);
    bytes[len] = '\0';
    value = wr_value_of_string(bytes);
    CHECK(wr_cached_value_write(value, &text));
    CHECK_INT(text.len, WR_CACHE_VALUE_MAX);
    free(text.text);
    wr_value_free(value);
    free(bytes);
}

TEST(other_content_is_refused)
{
    static char bad[][48] = {"",
                             "x",
                             "[]",
                             "{}",
                             "{\"v\":1}",
                             "{\"value\":1}",
                             "{\"v\":2,\"value\":1}",
                             "{\"v\":\"1\",\"value\":1}",
                             "{\"v\":1,\"value\":1} ",
                             "{\"v\":1,\"value\":1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wr_error err = {0};
        struct wr_value *value = NULL;
        const struct wr_cache_text text = {.text = bad[i], .len = strlen(bad[i])};
        int r = wr_cached_value_read(&text, &value, &err);
        /* White space at the end is JSON. */
        CHECK_INT(r, i == 8 ? 0 : -WR_E_INVALID_ARGUMENT);
        wr_value_free(value);
    }
}

TEST(a_small_text_cannot_become_a_huge_value)
{
    enum { COUNT = 3 << 20 };
    static const char start[] = "{\"v\":1,\"value\":[{}";
    char *bytes = malloc(sizeof start + 3 * (size_t)COUNT + 2);
    CHECK(bytes);
    size_t len = sizeof start - 1;
    memcpy(bytes, start, len);
    for (size_t i = 0; i < COUNT; i++, len += 3)
        memcpy(bytes + len, ",{}", 3);
    memcpy(bytes + len, "]}", 2);
    len += 2;
    CHECK(len < WR_CACHE_VALUE_MAX);
    struct wr_error err = {0};
    struct wr_value *value = NULL;
    const struct wr_cache_text text = {.text = bytes, .len = len};
    CHECK(wr_cached_value_read(&text, &value, &err) < 0);
    CHECK(!value);
    free(bytes);
}
