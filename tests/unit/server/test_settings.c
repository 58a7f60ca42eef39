#include "server/settings.h"
#include "test.h"

static json_t *pairs(size_t count, size_t key_len, size_t value_len)
{
    static char key[4096], value[4096];
    json_t *json = json_object();
    memset(value, 'v', value_len);
    value[value_len] = '\0';
    for (size_t i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%0*zu", (int)key_len, i);
        json_object_set_new(json, key, json_string(value));
    }
    return json;
}

static int check(json_t *json)
{
    struct wr_error err = {0};
    int r = wr_metadata_check(json, &err);
    json_decref(json);
    return r;
}

TEST(round_trip)
{
    struct wr_error err = {0};
    json_t *settings = json_pack("{s:{s:s, s:s}, s:b}", "metadata", "name", "x\"y\n", "k",
                                 "\xc3\xa4", "allowInternetAccess", 0);
    json_t *back = NULL;
    char *text = NULL;
    CHECK_INT(wr_settings_write(settings, &text, &err), 0);
    CHECK_INT(wr_settings_read(text, &back, &err), 0);
    CHECK(json_equal(settings, back));
    CHECK_STR(json_string_value(json_object_get(wr_settings_metadata(back), "k")), "\xc3\xa4");
    json_decref(back);
    json_decref(settings);
    free(text);
}

TEST(none)
{
    struct wr_error err = {0};
    char *text = NULL;
    CHECK_INT(wr_settings_write(NULL, &text, &err), 0);
    CHECK_STR(text, "{}");
    CHECK(!wr_settings_metadata(NULL));
    free(text);
}

TEST(refused_texts_leave_outputs_alone)
{
    static const char *const bad[] = {"", "[]", "{", "{\"metadata\":{\"a\":1}}"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        struct wr_error err = {0};
        json_t *settings = NULL;
        CHECK_INT(wr_settings_read(bad[i], &settings, &err), -WR_E_DATA_LOSS);
        CHECK(!settings);
    }
}

TEST(limits_from_both_sides)
{
    CHECK_INT(check(pairs(WR_METADATA_MAX_PAIRS, 4, 4)), 0);
    CHECK(check(pairs(WR_METADATA_MAX_PAIRS + 1, 4, 4)) < 0);
    CHECK_INT(check(pairs(1, WR_METADATA_MAX_KEY, 4)), 0);
    CHECK(check(pairs(1, WR_METADATA_MAX_KEY + 1, 4)) < 0);
    CHECK_INT(check(pairs(1, 4, WR_METADATA_MAX_VALUE)), 0);
    CHECK(check(pairs(1, 4, WR_METADATA_MAX_VALUE + 1)) < 0);
    CHECK_INT(check(pairs(8, 24, 1000)), 0); /* 8192 */
    CHECK(check(pairs(8, 25, 1000)) < 0);
    CHECK(check(json_pack("{s:s#}", "k", "a\0b", 3)) < 0);
    CHECK(check(json_pack("{s:i}", "k", 1)) < 0);
}
