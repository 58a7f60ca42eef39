#include "json/jread.h"
#include "rpc/proto_table.h"
#include "test.h"

/* One field of each kind. */
static const struct wr_proto_enum_value colors[] = {
    {"NONE", 0}, {"RED", 1}, {"BLUE", 5}, {NULL, 0}};
static const struct wr_proto_field inner_fields[] = {
    WR_PB_SCALAR("n", "n", 1, WR_PROTO_UINT32),
    WR_PB_SCALAR("text", "text", 2, WR_PROTO_STRING),
};
static const struct wr_proto_message inner = WR_PB_MESSAGE("t.Inner", inner_fields);
static const struct wr_proto_field outer_fields[] = {
    WR_PB_SCALAR("long_name", "longName", 1, WR_PROTO_STRING),
    WR_PB_SCALAR("raw", "raw", 2, WR_PROTO_BYTES),
    WR_PB_SCALAR("flag", "flag", 3, WR_PROTO_BOOL),
    WR_PB_SCALAR("u", "u", 4, WR_PROTO_UINT32),
    WR_PB_SCALAR("s", "s", 5, WR_PROTO_SINT32),
    WR_PB_SCALAR("big", "big", 6, WR_PROTO_INT64),
    WR_PB_ENUM("color", 7, colors),
    WR_PB_SUB("sub", 8, inner),
    WR_PB_SCALAR("map", "map", 9, WR_PROTO_STRING_MAP),
    WR_PB_SCALAR("at", "at", 10, WR_PROTO_TIMESTAMP),
    {.name = "list", .json_name = "list", .number = 11, .kind = WR_PROTO_STRING, .repeated = true},
    WR_PB_LIST("subs", 12, inner),
    WR_PB_ONE_OF_SCALAR("a", 13, WR_PROTO_UINT32),
    WR_PB_ONE_OF("b", 14, inner),
    WR_PB_OPTIONAL("maybe", 15, WR_PROTO_BOOL),
};
static const struct wr_proto_message outer = WR_PB_MESSAGE("t.Outer", outer_fields);

/* Levels inside of each other, as many as nobody needs. */
#define LEVEL(n, below)                                                           \
    static const struct wr_proto_field fields_##n[] = {WR_PB_SUB("x", 1, below)}; \
    static const struct wr_proto_message level_##n = WR_PB_MESSAGE("t.Level", fields_##n);
LEVEL(1, inner)
LEVEL(2, level_1)
LEVEL(3, level_2)
LEVEL(4, level_3)
LEVEL(5, level_4)
LEVEL(6, level_5)
LEVEL(7, level_6)
LEVEL(8, level_7)
LEVEL(9, level_8)
LEVEL(10, level_9)
LEVEL(11, level_10)
LEVEL(12, level_11)
LEVEL(13, level_12)
LEVEL(14, level_13)
LEVEL(15, level_14)
LEVEL(16, level_15)

static struct wr_error err;

static int decode(const void *data, size_t len, const char *expected)
{
    json_t *got = NULL;
    int rc = wr_proto_decode(&outer, data, len, &got, &err);

    if (rc < 0) {
        CHECK(got == NULL);
        return rc;
    }
    json_t *json = json_loads(expected, 0, NULL);
    if (!json_equal(got, json))
        wr_test_fail(__FILE__, __LINE__, "%s is not %s", json_dumps(got, JSON_COMPACT), expected);
    json_decref(json);
    json_decref(got);
    return 0;
}

#define DECODE(text, expected) CHECK_INT(decode(text, sizeof(text) - 1, expected), 0)
#define REFUSE(text, code)     CHECK_INT(decode(text, sizeof(text) - 1, "{}"), -(code))

TEST(decode_scalars)
{
    DECODE("", "{}");
    DECODE("\x0a\x02hi", "{\"longName\":\"hi\"}");
    DECODE("\x12\x03\0\1\xff", "{\"raw\":\"AAH/\"}");
    DECODE("\x18\x01", "{\"flag\":true}");
    DECODE("\x18\x80\x02", "{\"flag\":true}"); /* any number but 0 */
    DECODE("\x20\xff\xff\xff\xff\x0f", "{\"u\":4294967295}");
    DECODE("\x20\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01", "{\"u\":1}"); /* the low 32 bits */
    DECODE("\x28\xff\xff\xff\xff\x0f", "{\"s\":-2147483648}");
    DECODE("\x28\xfe\xff\xff\xff\x0f", "{\"s\":2147483647}");
    DECODE("\x30\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "{\"big\":\"9223372036854775807\"}");
    DECODE("\x38\x05", "{\"color\":\"BLUE\"}");
    DECODE("\x38\x04", "{\"color\":4}");
    DECODE("\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "{\"color\":-1}");
    DECODE("\x52\x04\x08\x01\x10\x05", "{\"at\":\"1970-01-01T00:00:01.000000005Z\"}");
    DECODE("\x52\x00", "{\"at\":\"1970-01-01T00:00:00Z\"}");
}

TEST(defaults_are_left_out_where_presence_does_not_count)
{
    DECODE("\x0a\x00\x12\x00\x18\x00\x20\x00\x28\x00\x30\x00\x38\x00", "{}");
    DECODE("\x20\x05\x20\x00", "{}"); /* the last one counts */
    DECODE("\x78\x00\x68\x00", "{\"maybe\":false,\"a\":0}");
    DECODE("\x5a\x00\x5a\x01x", "{\"list\":[\"\",\"x\"]}");
    DECODE("\x42\x00", "{\"sub\":{}}");
    DECODE("\x62\x00\x62\x02\x08\x01", "{\"subs\":[{},{\"n\":1}]}");
}

TEST(occurrences_add_up)
{
    DECODE("\x42\x02\x08\x01\x42\x03\x12\x01z", "{\"sub\":{\"n\":1,\"text\":\"z\"}}");
    DECODE("\x4a\x06\x0a\x01k\x12\x01v\x4a\x03\x0a\x01x\x4a\x00",
           "{\"map\":{\"k\":\"v\",\"x\":\"\",\"\":\"\"}}");
    DECODE("\x68\x07\x72\x02\x08\x01", "{\"b\":{\"n\":1}}"); /* of a oneof the last member */
    DECODE("\x72\x02\x08\x01\x68\x07", "{\"a\":7}");
}

TEST(unknown_fields_are_skipped)
{
    DECODE("\xa0\x06\x96\x01\x20\x01", "{\"u\":1}"); /* 100: a number */
    DECODE("\xa1\x06"
           "12345678\x20\x01",
           "{\"u\":1}"); /* 64 bits */
    DECODE("\xa5\x06"
           "1234\x20\x01",
           "{\"u\":1}"); /* 32 bits */
    DECODE("\xa2\x06\x03"
           "abc\x20\x01",
           "{\"u\":1}");                                                     /* bytes */
    DECODE("\xa3\x06\x08\x01\xab\x06\xac\x06\xa4\x06\x20\x01", "{\"u\":1}"); /* groups */
    DECODE("\x22\x01x\x20\x01", "{\"u\":1}"); /* known number, other wire type */
    DECODE("\x4a\x05\x18\x01\x0a\x01k", "{\"map\":{\"k\":\"\"}}");
}

TEST(malformed_messages_are_refused)
{
    REFUSE("\x0a", WR_E_INVALID_ARGUMENT);         /* cut behind the tag */
    REFUSE("\x0a\x05xxxx", WR_E_INVALID_ARGUMENT); /* longer than the message */
    REFUSE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WR_E_INVALID_ARGUMENT);
    REFUSE("\x20\x80", WR_E_INVALID_ARGUMENT);
    REFUSE("\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", WR_E_INVALID_ARGUMENT);
    REFUSE("\x00\x01", WR_E_INVALID_ARGUMENT);         /* field 0 */
    REFUSE("\x26\x01", WR_E_INVALID_ARGUMENT);         /* wire type 6 */
    REFUSE("\xa4\x06", WR_E_INVALID_ARGUMENT);         /* the end of no group */
    REFUSE("\xa3\x06\x08\x01", WR_E_INVALID_ARGUMENT); /* a group without end */
    REFUSE("\xa1\x06"
           "1234567",
           WR_E_INVALID_ARGUMENT);
    REFUSE("\x0a\x01\xff", WR_E_INVALID_ARGUMENT); /* no UTF-8 */
    REFUSE("\x0a\x03"
           "a\0b",
           WR_E_INVALID_ARGUMENT);
    REFUSE("\x42\x02\x08\x80", WR_E_INVALID_ARGUMENT);
    REFUSE("\x4a\x03\x0a\x01\xff", WR_E_INVALID_ARGUMENT);
    REFUSE("\x4a\x03\x0a\x01\0", WR_E_INVALID_ARGUMENT);
    REFUSE("\x52\x06\x10\x80\x94\xeb\xdc\x03", WR_E_INVALID_ARGUMENT); /* a whole second of nanos */
    REFUSE("\x52\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f", WR_E_INVALID_ARGUMENT);
}

TEST(depth_and_number_are_bounded)
{
    char bytes[40];
    json_t *got = NULL;
    size_t len = 0;

    /* x { x { ... {} } } */
    for (size_t depth = 0; depth < 16; depth++) {
        memmove(bytes + 2, bytes, len);
        bytes[0] = 0x0a;
        bytes[1] = (char)len;
        len += 2;
        int rc = wr_proto_decode(&level_16, bytes, len, &got, &err);
        CHECK_INT(rc, depth < 15 ? 0 : -WR_E_INVALID_ARGUMENT);
        if (rc == 0)
            json_decref(got);
    }

    size_t many = 2 * (size_t)(WR_PROTO_MAX_VALUES + 1);
    char *list = calloc(1, many);
    CHECK(list != NULL);
    for (size_t i = 0; i < many; i += 2)
        list[i] = 0x5a;
    CHECK_INT(wr_proto_decode(&outer, list, many - 2, &got, &err), 0);
    CHECK_INT(json_array_size(json_object_get(got, "list")), WR_PROTO_MAX_VALUES);
    json_decref(got);
    CHECK_INT(wr_proto_decode(&outer, list, many, &got, &err), -WR_E_RESOURCE_EXHAUSTED);
    free(list);
}

TEST(encode_refuses_what_does_not_fit)
{
    static const char *const bad[] = {
        "{\"longName\":1}",   "{\"raw\":\"*\"}",     "{\"flag\":1}",      "{\"u\":-1}",
        "{\"u\":4294967296}", "{\"s\":2147483648}",  "{\"big\":\"x\"}",   "{\"color\":\"GREEN\"}",
        "{\"sub\":[]}",       "{\"map\":{\"k\":1}}", "{\"at\":\"soon\"}", "{\"list\":\"x\"}",
        "{\"list\":[1]}",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        wr_auto_buf out = WR_BUF(100);
        json_t *json = json_loads(bad[i], 0, NULL);
        CHECK(json != NULL);
        if (wr_proto_encode(&outer, json, &out, &err) != -WR_E_INTERNAL)
            wr_test_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
        json_decref(json);
    }
    wr_auto_buf small = WR_BUF(5);
    json_t *json = json_loads("{\"longName\":\"four\",\"other\":1}", 0, NULL);
    CHECK_INT(wr_proto_encode(&outer, json, &small, &err), -WR_E_RESOURCE_EXHAUSTED);
    wr_auto_buf enough = WR_BUF(6);
    CHECK_INT(wr_proto_encode(&outer, json, &enough, &err), 0);
    json_decref(json);
}

static int normalize(const char *text, const char *expected)
{
    json_t *json = json_loads(text, 0, NULL);
    CHECK(json != NULL);
    int rc = wr_proto_normalize(&outer, json, &err);
    json_t *wanted = rc == 0 ? json_loads(expected, 0, NULL) : NULL;
    if (rc == 0 && !json_equal(json, wanted))
        wr_test_fail(__FILE__, __LINE__, "%s became %s", text, json_dumps(json, JSON_COMPACT));
    json_decref(wanted);
    json_decref(json);
    return rc;
}

TEST(normalize_brings_json_into_one_form)
{
    const struct {
        const char *text, *expected;
    } rows[] = {
        {"{}", "{}"},
        {"{\"long_name\":\"x\",\"unknown\":[1,{}]}", "{\"longName\":\"x\"}"},
        {"{\"longName\":null,\"sub\":null,\"list\":null}", "{}"},
        {"{\"u\":\"17\",\"s\":-1.0,\"big\":5}", "{\"u\":17,\"s\":-1,\"big\":\"5\"}"},
        {"{\"big\":\"-9223372036854775808\",\"u\":1e3}",
         "{\"big\":\"-9223372036854775808\",\"u\":1000}"},
        {"{\"color\":5}", "{\"color\":\"BLUE\"}"},
        {"{\"color\":4}", "{\"color\":4}"},
        {"{\"color\":\"GREEN\"}", "{\"color\":\"GREEN\"}"},
        {"{\"sub\":{\"n\":\"1\",\"x\":1},\"subs\":[{\"text\":\"t\"},{}]}",
         "{\"sub\":{\"n\":1},\"subs\":[{\"text\":\"t\"},{}]}"},
        {"{\"map\":{\"k\":\"v\"},\"at\":\"2026-01-02T03:04:05+01:00\"}",
         "{\"map\":{\"k\":\"v\"},\"at\":\"2026-01-02T03:04:05+01:00\"}"},
        {"{\"a\":1,\"b\":null}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        CHECK_INT(normalize(rows[i].text, rows[i].expected), 0);
}

TEST(normalize_names_what_is_wrong)
{
    const struct {
        const char *text, *part;
    } rows[] = {
        {"{\"longName\":1}", "longName"}, {"{\"raw\":[]}", "raw"},
        {"{\"flag\":\"true\"}", "flag"},  {"{\"u\":-1}", "u"},
        {"{\"u\":4294967296}", "u"},      {"{\"u\":1.5}", "u"},
        {"{\"u\":\"x\"}", "u"},           {"{\"u\":1e300}", "u"},
        {"{\"s\":2147483648}", "s"},      {"{\"big\":\"9223372036854775808\"}", "big"},
        {"{\"color\":true}", "color"},    {"{\"sub\":1}", "sub"},
        {"{\"sub\":{\"n\":{}}}", "n"},    {"{\"map\":{\"k\":1}}", "'k'"},
        {"{\"map\":[]}", "map"},          {"{\"at\":\"2026-02-30T00:00:00Z\"}", "at"},
        {"{\"list\":\"x\"}", "list"},     {"{\"list\":[\"x\",null]}", "list[1]"},
        {"{\"a\":1,\"b\":{}}", "(b)"},    {"{\"longName\":\"x\",\"long_name\":\"x\"}", "twice"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        if (normalize(rows[i].text, "{}") != -WR_E_INVALID_ARGUMENT ||
            !strstr(err.msg, rows[i].part))
            wr_test_fail(__FILE__, __LINE__, "%s: %s", rows[i].text, err.msg);
    }
}
