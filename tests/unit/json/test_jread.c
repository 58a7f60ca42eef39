#include "json/jread.h"
#include "test.h"

static struct wr_error err;

static int parse(const char *text, json_t **ret)
{
    return wr_json_parse(text, strlen(text), ret, &err);
}

static json_t *parsed(const char *text)
{
    json_t *json = NULL;
    CHECK_INT(parse(text, &json), 0);
    return json;
}

TEST(parse_takes_one_object)
{
    wr_auto_json *json = parsed(" {\"a\": [1, {\"b\": null}]} ");
    CHECK(json_is_object(json));
}

TEST(parse_refuses)
{
    static const char *const bad[] = {
        "",
        "[]",
        "1",
        "null",
        "{",
        "{} {}",
        "{}x",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{'a':1}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":99999999999999999999}",
        "{\"a\":\"\n\"}",
        "{\"\\u0000\":1}",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        json_t *json = NULL;
        int r = parse(bad[i], &json);
        if (r != -WR_E_INVALID_ARGUMENT || json)
            wr_test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
    }
}

TEST(parse_bounds_depth)
{
    /* The object itself is one level. */
    for (size_t depth = 63; depth <= 64; depth++) {
        char text[256] = "{\"a\":";
        memset(text + 5, '[', depth);
        memset(text + 5 + depth, ']', depth);
        text[5 + 2 * depth] = '}';
        wr_auto_json *json = NULL;
        CHECK_INT(parse(text, &json), depth == 63 ? 0 : -WR_E_INVALID_ARGUMENT);
    }
    wr_auto_json *json = parsed(
        "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}");
    CHECK(json != NULL);
}

TEST(parse_bounds_values)
{
    static const struct {
        const char *text;
        size_t values; /* as they are counted */
    } cases[] = {
        {"{}", 2},
        {"{\"a\":[1,2,{}]}", 6},
        {"{\"a\":\",,,[[[{{{\\\",,\",\"b\":1}", 3},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        wr_auto_json *json = NULL;
        size_t len = strlen(cases[i].text);
        CHECK_INT(wr_json_parse_within(cases[i].text, len, cases[i].values - 1, &json, &err),
                  -WR_E_RESOURCE_EXHAUSTED);
        CHECK(!json);
        CHECK_INT(wr_json_parse_within(cases[i].text, len, cases[i].values, &json, &err), 0);
    }
}

TEST(parse_bounds_size)
{
    size_t len = 8 * 1024 * 1024;
    char *text = malloc(len + 1);
    CHECK(text != NULL);
    memset(text, ' ', len + 1);
    text[0] = '{';
    text[1] = '}';
    wr_auto_json *json = NULL;
    CHECK_INT(wr_json_parse(text, len, &json, &err), 0);
    json_t *second = NULL;
    CHECK_INT(wr_json_parse(text, len + 1, &second, &err), -WR_E_INVALID_ARGUMENT);
    free(text);
}

struct values {
    const char *name;
    uint64_t size;
    int64_t offset;
    bool on, has_on;
    json_t *map, *list;
};

static int read_values(const char *text, struct values *v, enum wr_json_unknown unknown,
                       json_t **keep)
{
    *keep = parsed(text);
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &v->name, .max = 5},
        {.name = "size", .kind = WR_JSON_U64, .ret = &v->size, .min = 1, .max = 10},
        {.name = "offset", .kind = WR_JSON_I64, .ret = &v->offset},
        {.name = "on", .kind = WR_JSON_BOOL, .ret = &v->on, .ret_present = &v->has_on},
        {.name = "map", .kind = WR_JSON_OBJECT, .ret = &v->map},
        {.name = "list", .kind = WR_JSON_ARRAY, .ret = &v->list, .max = 2},
    };
    return wr_json_read(*keep, fields, WR_ARRAY_SIZE(fields), unknown, &err);
}

TEST(read_stores_every_kind)
{
    wr_auto_json *json = NULL;
    struct values v = {.size = 7};
    CHECK_INT(
        read_values("{\"name\":\"abcde\",\"offset\":-5,\"on\":true,\"map\":{},\"list\":[1,2]}", &v,
                    WR_JSON_REFUSE_UNKNOWN, &json),
        0);
    CHECK_STR(v.name, "abcde");
    CHECK_INT(v.size, 7);
    CHECK_INT(v.offset, -5);
    CHECK(v.on && v.has_on && json_is_object(v.map) && json_array_size(v.list) == 2);
}

TEST(read_null_is_absent)
{
    wr_auto_json *json = NULL;
    struct values v = {.on = true, .has_on = true};
    CHECK_INT(read_values("{\"name\":\"a\",\"on\":null}", &v, WR_JSON_REFUSE_UNKNOWN, &json), 0);
    CHECK(v.on && !v.has_on);
}

TEST(read_refuses_and_names_the_field)
{
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"{}", "name"},
        {"{\"name\":null}", "name"},
        {"{\"name\":1}", "a string"},
        {"{\"name\":\"abcdef\"}", "longer"},
        {"{\"name\":\"a\",\"size\":0}", "between"},
        {"{\"name\":\"a\",\"size\":11}", "between"},
        {"{\"name\":\"a\",\"size\":-1}", "not negative"},
        {"{\"name\":\"a\",\"size\":1.5}", "whole"},
        {"{\"name\":\"a\",\"size\":\"5\"}", "whole"},
        {"{\"name\":\"a\",\"on\":1}", "true or false"},
        {"{\"name\":\"a\",\"map\":[]}", "an object"},
        {"{\"name\":\"a\",\"list\":{}}", "an array"},
        {"{\"name\":\"a\",\"list\":[1,2,3]}", "longer"},
        {"{\"name\":\"a\",\"surprise\":1}", "surprise"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        wr_auto_json *json = NULL;
        struct values v = {.size = 3};
        CHECK_INT(read_values(bad[i].text, &v, WR_JSON_REFUSE_UNKNOWN, &json),
                  -WR_E_INVALID_ARGUMENT);
        if (!strstr(err.msg, bad[i].word))
            wr_test_fail(__FILE__, __LINE__, "%s gave: %s", bad[i].text, err.msg);
        CHECK(v.size == 3 && v.name == NULL);
    }
}

TEST(read_may_ignore_unknown)
{
    wr_auto_json *json = NULL;
    struct values v = {0};
    CHECK_INT(read_values("{\"name\":\"a\",\"surprise\":1}", &v, WR_JSON_IGNORE_UNKNOWN, &json), 0);
}
