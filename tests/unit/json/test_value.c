#include "json/value.h"
#include "test.h"

static void parses_to(const char *json, const char *text)
{
    struct wr_error err = {0};
    struct wr_value *value = NULL;

    CHECK_INT(wr_value_parse(json, strlen(json), &value, &err), 0);
    char *back = wr_value_text(value);
    CHECK_STR(back, text);
    wr_free(back);
    wr_value_free(value);
}

TEST(text_of_equal_values_is_equal)
{
    parses_to("{\"b\": 1, \"a\": [true, null, 1.5, \"\\u00e9\"]}",
              "{\"a\":[true,null,1.5,\"\xc3\xa9\"],\"b\":1}");
    parses_to(" \"text\" ", "\"text\"");
    parses_to("17", "17");
    parses_to("\"a\\u0000b\"", "\"a\\u0000b\"");
}

TEST(what_is_no_json)
{
    static const char *const bad[] = {"", "{", "{\"a\":1,\"a\":2}", "1 2", "nul", "\"\xff\""};
    struct wr_value *value = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wr_error err = {0};
        CHECK_INT(wr_value_parse(bad[i], strlen(bad[i]), &value, &err), -WR_E_INVALID_ARGUMENT);
        CHECK(strstr(err.msg, "line 1") != NULL);
    }
    CHECK(value == NULL);
}

TEST(members_and_their_types)
{
    struct wr_error err = {0};
    struct wr_value *value = wr_value_object(), *list = wr_value_array();

    CHECK_INT(wr_value_set(list, NULL, wr_value_of_int(1), &err), 0);
    CHECK_INT(wr_value_set(list, NULL, wr_value_of_string("two"), &err), 0);
    CHECK_INT(wr_value_set(value, "list", list, &err), 0);
    CHECK_INT(wr_value_set(value, "number", wr_value_of_double(2.5), &err), 0);
    CHECK_INT(wr_value_set(value, "truth", wr_value_of_bool(true), &err), 0);
    CHECK_INT(wr_value_set(value, "int", wr_value_of_int(-7), &err), 0);

    CHECK_INT(wr_value_count(value), 4);
    CHECK_INT(wr_value_count(wr_value_get(value, "list")), 2);
    CHECK_STR(wr_value_string(wr_value_at(wr_value_get(value, "list"), 1), NULL), "two");
    CHECK(wr_value_at(wr_value_get(value, "list"), 2) == NULL);
    CHECK(wr_value_at(value, 0) == NULL);
    CHECK(wr_value_double(value, "number", 0) == 2.5);
    CHECK(wr_value_double(value, "int", 0) == -7);
    CHECK(wr_value_double(value, "truth", 9) == 9);
    CHECK_INT(wr_value_int(value, "int", 0), -7);
    CHECK_INT(wr_value_int(value, "number", 3), 3);
    CHECK(wr_value_bool(value, "truth", false));
    CHECK(wr_value_bool(value, "int", true));
    CHECK_STR(wr_value_string(value, "int"), "");
    CHECK_STR(wr_value_string(NULL, "x"), "");
    CHECK(wr_value_get(value, "none") == NULL && wr_value_get(NULL, "x") == NULL);
    CHECK_INT(wr_value_count(wr_value_get(value, "int")), 0);
    CHECK_INT(wr_value_count(NULL), 0);
    wr_value_free(value);
}

TEST(set_consumes_its_member_in_any_case)
{
    struct wr_error err = {0};
    struct wr_value *value = wr_value_object(), *list = wr_value_array();

    CHECK_INT(wr_value_set(value, NULL, wr_value_of_int(1), &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_value_set(list, "key", wr_value_of_string("x"), &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_value_set(value, "\xff", wr_value_object(), &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_value_set(value, "key", NULL, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_value_set(NULL, "key", wr_value_object(), &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_value_count(value), 0);
    CHECK(wr_value_of_string("\xff") == NULL);
    wr_value_free(value);
    wr_value_free(list);
}

TEST(holders)
{
    struct wr_value *value = wr_value_of_string("kept"), *again = wr_value_ref(value);

    CHECK(wr_value_free(value) == NULL);
    CHECK_STR(wr_value_string(again, NULL), "kept");
    wr_value_free(again);
    CHECK(wr_value_free(NULL) == NULL && wr_value_ref(NULL) == NULL);
}

static void bytes_to(const char *bytes, size_t len, const char *text)
{
    struct wr_value *value = wr_value_of_bytes(bytes, len);

    CHECK_STR(wr_value_string(value, NULL), text);
    wr_value_free(value);
}

TEST(bytes_that_are_no_text)
{
    bytes_to(NULL, 0, "");
    bytes_to("abc", 3, "abc");
    bytes_to("a\xff"
             "b",
             3,
             "a\xef\xbf\xbd"
             "b");
    bytes_to("\xc3\xa9\xc3", 3, "\xc3\xa9\xef\xbf\xbd");
    bytes_to("\xf0\x9f\x99\x82\xf0\x9f", 6, "\xf0\x9f\x99\x82\xef\xbf\xbd\xef\xbf\xbd");
    bytes_to("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* half a pair */
    bytes_to("\x80", 1, "\xef\xbf\xbd");
}
