#include "server/owner.h"
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
    struct wr_buf text = WR_BUF(WR_ACTION_MAX_OWNER);
    json_t *metadata = json_pack("{s:s, s:s}", "name", "x\"y\n", "k", "\xc3\xa4"), *back = NULL;
    uint64_t deadline = 0;
    CHECK_INT(wr_owner_write(&text, 123456, metadata, &err), 0);
    CHECK_INT(wr_owner_read(wr_buf_cstr(&text), &deadline, &back, &err), 0);
    CHECK_INT(deadline, 123456);
    CHECK(json_equal(metadata, back));
    json_decref(back);
    json_decref(metadata);
    wr_buf_done(&text);
}

TEST(no_metadata)
{
    struct wr_error err = {0};
    struct wr_buf text = WR_BUF(WR_ACTION_MAX_OWNER);
    json_t *back = NULL;
    uint64_t deadline = 0;
    CHECK_INT(wr_owner_write(&text, 1, NULL, &err), 0);
    CHECK_INT(wr_owner_read(wr_buf_cstr(&text), &deadline, &back, &err), 0);
    CHECK(!back);
    wr_buf_done(&text);
}

TEST(refused_texts_leave_outputs_alone)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"format\":2,\"deadlineMs\":1}",
                                      "{\"format\":1}",
                                      "{\"format\":1,\"deadlineMs\":1,\"metadata\":{\"a\":1}}"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        struct wr_error err = {0};
        uint64_t deadline = 77;
        json_t *metadata = NULL;
        CHECK(wr_owner_read(bad[i], &deadline, &metadata, &err) < 0);
        CHECK_INT(deadline, 77);
        CHECK(!metadata);
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
