#include "engine/spec_resume.h"
#include "json/jread.h"
#include "test.h"

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static struct wr_error err;

static json_t *parse(const char *text)
{
    json_t *json = NULL;
    CHECK_INT(wr_json_parse(text, strlen(text), &json, &err), 0);
    return json;
}

TEST(all_fields)
{
    wr_auto_json *json =
        parse("{\"id\":\"a\",\"sockets\":16,\"egress\":true,\"memory\":false,\"envVars\":{\"A\":"
              "\"b\"},\"accessToken\":\"" TOKEN "\",\"controlToken\":\"" OTHER "\"}");
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {.pids = 7};
    struct wr_spec_resume resume;
    CHECK_INT(wr_spec_read_resume(json, &resume, &err), 0);
    CHECK_STR(resume.id, "a");
    CHECK(!resume.memory && !resume.snapshot);
    CHECK_INT(wr_spec_take_resume(&spec, &resume, &err), 0);
    CHECK_INT(spec.sockets, 16);
    CHECK(spec.egress);
    CHECK_STR(spec.access_token, TOKEN);
    CHECK_STR(spec.control_token, OTHER);
    CHECK_STR(json_string_value(json_object_get(spec.env, "A")), "b");
    CHECK_INT(spec.pids, 7);
    wr_spec_secrets_forget(&spec);
    CHECK(!spec.env && !spec.access_token[0] && !spec.control_token[0]);
    CHECK_INT(spec.sockets, 16);
}

/* What an earlier request said does not come back. */
TEST(absent_fields)
{
    wr_auto_json *json = parse("{\"id\":\"a\"}");
    WR_CLEANUP(wr_spec_done)
    struct wr_spec spec = {
        .sockets = 5, .egress = true, .access_token = TOKEN, .control_token = TOKEN};
    struct wr_spec_resume resume;
    CHECK_INT(wr_spec_read_resume(json, &resume, &err), 0);
    CHECK(resume.memory);
    CHECK_INT(wr_spec_take_resume(&spec, &resume, &err), 0);
    CHECK_INT(spec.sockets, 0);
    CHECK(!spec.egress && !spec.access_token[0] && !spec.control_token[0]);
    CHECK_INT(json_object_size(spec.env), 0);
}

TEST(what_is_refused_changes_nothing)
{
    static const char *const bad[] = {
        "{\"id\":\"a\",\"accessToken\":\"x\"}",
        "{\"id\":\"a\",\"controlToken\":\"" TOKEN "0\"}",
        "{\"id\":\"a\",\"envVars\":{\"\":\"b\"}}",
        "{\"id\":\"a\",\"accessToken\":\"" OTHER "\",\"envVars\":{\"A\":1}}",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        wr_auto_json *json = parse(bad[i]);
        WR_CLEANUP(wr_spec_done) struct wr_spec spec = {.sockets = 5, .access_token = TOKEN};
        struct wr_spec_resume resume;
        CHECK_INT(wr_spec_read_resume(json, &resume, &err), 0);
        CHECK_INT(wr_spec_secrets_check(&resume.secrets, &err), -WR_E_INVALID_ARGUMENT);
        CHECK_INT(wr_spec_take_resume(&spec, &resume, &err), -WR_E_INVALID_ARGUMENT);
        CHECK_INT(spec.sockets, 5);
        CHECK_STR(spec.access_token, TOKEN);
        CHECK(!spec.env);
    }
}

TEST(each_has_a_field_of_its_own)
{
    wr_auto_json *back = parse("{\"id\":\"a\",\"snapshot\":\"s\",\"sockets\":1}");
    wr_auto_json *none = parse("{\"id\":\"a\"}");
    wr_auto_json *both = parse("{\"id\":\"a\",\"snapshot\":\"s\",\"memory\":true}");
    struct wr_spec_resume resume = {.sockets = 9};
    CHECK_INT(wr_spec_read_resume(back, &resume, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "snapshot"));
    CHECK_INT(wr_spec_read_rollback(none, &resume, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "snapshot"));
    CHECK_INT(wr_spec_read_rollback(both, &resume, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "memory"));
    CHECK_INT(resume.sockets, 9);
    CHECK_INT(wr_spec_read_rollback(back, &resume, &err), 0);
    CHECK_STR(resume.snapshot, "s");
    CHECK_INT(resume.sockets, 1);
}
