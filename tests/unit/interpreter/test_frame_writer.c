#include <errno.h>

#include "interpreter/frame.h"
#include "interpreter/frame_writer.h"
#include "json/jread.h"
#include "test.h"

static json_t *payload(const struct wr_buf *frame, char kind)
{
    const unsigned char *bytes = (const unsigned char *)wr_buf_ptr(frame);
    size_t len = bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
    struct wr_error err;
    json_t *json = NULL;

    CHECK_INT(len + WR_FRAME_HEADER, frame->len);
    CHECK_INT(bytes[4], kind);
    CHECK(bytes[5] == 0 && bytes[6] == 0 && bytes[7] == 0);
    for (size_t i = WR_FRAME_HEADER; i < frame->len; i++)
        CHECK(bytes[i] >= 0x20 && bytes[i] < 0x7f);
    CHECK_INT(wr_json_parse((const char *)bytes + WR_FRAME_HEADER, len, &json, &err), 0);
    return json;
}

TEST(init_has_the_whole_environment)
{
    wr_auto_env env = {0};
    wr_auto_buf frame = WR_BUF(4096);
    struct wr_error err;

    CHECK_INT(wr_env_set(&env, "A", "1=2", &err), 0);
    CHECK_INT(wr_env_set(&env, "N\xc3\xa4me", "line\nbreak \xf0\x9f\x98\x80", &err), 0);
    CHECK_INT(wr_frame_init(&frame, "/home/user", &env, 1500), 0);
    wr_auto_json *json = payload(&frame, 'I');
    CHECK_STR(json_string_value(json_object_get(json, "cwd")), "/home/user");
    CHECK_INT(json_integer_value(json_object_get(json, "cpu_millis")), 1500);
    const json_t *vars = json_object_get(json, "env");
    CHECK_INT(json_object_size(vars), 2);
    CHECK_STR(json_string_value(json_object_get(vars, "A")), "1=2");
    CHECK_STR(json_string_value(json_object_get(vars, "N\xc3\xa4me")),
              "line\nbreak \xf0\x9f\x98\x80");
}

TEST(execute_has_code_and_its_own_variables)
{
    wr_auto_buf frame = WR_BUF(4096);
    wr_auto_json *env = json_pack("{s:s}", "X", "y");

    CHECK_INT(wr_frame_execute(&frame, "print('\xe2\x80\xa8')\n", 13, env, true), 0);
    wr_auto_json *json = payload(&frame, 'X');
    CHECK_STR(json_string_value(json_object_get(json, "code")), "print('\xe2\x80\xa8')\n");
    CHECK_STR(json_string_value(json_object_get(json_object_get(json, "env"), "X")), "y");
    CHECK(json_is_true(json_object_get(json, "silent")));
    wr_buf_clear(&frame);
    CHECK_INT(wr_frame_execute(&frame, "1", 1, NULL, false), 0);
    wr_auto_json *plain = payload(&frame, 'X');
    CHECK_INT(json_object_size(json_object_get(plain, "env")), 0);
    CHECK(json_is_false(json_object_get(plain, "silent")));
}

TEST(renew_has_variables)
{
    wr_auto_buf frame = WR_BUF(4096);
    wr_auto_json *env = json_pack("{s:s}", "E2B_SANDBOX_ID", "x");

    CHECK_INT(wr_frame_renew(&frame, env), 0);
    wr_auto_json *json = payload(&frame, 'N');
    CHECK_STR(json_string_value(json_object_get(json_object_get(json, "env"), "E2B_SANDBOX_ID")),
              "x");
    wr_buf_clear(&frame);
    CHECK_INT(wr_frame_renew(&frame, NULL), 0);
    wr_auto_json *plain = payload(&frame, 'N');
    CHECK_INT(json_object_size(json_object_get(plain, "env")), 0);
}

TEST(what_does_not_fit_leaves_nothing)
{
    wr_auto_buf frame = WR_BUF(64);
    char code[100];

    CHECK_INT(wr_buf_append(&frame, "before", 6), 0);
    memset(code, 'x', sizeof(code));
    CHECK_INT(wr_frame_execute(&frame, code, sizeof(code), NULL, false), -ENOBUFS);
    CHECK_INT(frame.len, 6);
}
