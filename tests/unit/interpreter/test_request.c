#include "base/str.h"
#include "interpreter/request.h"
#include "json/jread.h"
#include "test.h"

static struct wr_buf detail = WR_BUF(WR_DETAIL_MAX);

static bool read_execute(const char *body, struct wr_execute_request *ret)
{
    wr_buf_clear(&detail);
    return wr_execute_request_read(body, strlen(body), ret, &detail);
}

/* One entry of {"detail": [...]}. */
static void refused(const char *body, const char *type, const char *where)
{
    wr_auto_execute_request request = {0};
    struct wr_error err;
    wr_auto_json *json = NULL;

    CHECK(!read_execute(body, &request));
    CHECK_INT(wr_json_parse(wr_buf_ptr(&detail), detail.len, &json, &err), 0);
    const json_t *entry = json_array_get(json_object_get(json, "detail"), 0);
    CHECK_STR(json_string_value(json_object_get(entry, "type")), type);
    CHECK(json_string_value(json_object_get(entry, "msg")) != NULL);
    const json_t *loc = json_object_get(entry, "loc");
    CHECK_STR(json_string_value(json_array_get(loc, 0)), "body");
    if (where)
        CHECK_STR(json_string_value(json_array_get(loc, 1)), where);
}

TEST(execute_of_both_clients)
{
    wr_auto_execute_request request = {0}, nulls = {0}, full = {0};

    CHECK(read_execute("{\"code\":\"1\"}", &request));
    CHECK_STR(request.code, "1");
    CHECK(!request.context_id && !request.language && !request.env_vars);
    CHECK(read_execute("{\"code\":\"\",\"context_id\":null,\"language\":null,\"env_vars\":null}",
                       &nulls));
    CHECK_INT(nulls.code_len, 0);
    CHECK(!nulls.context_id && !nulls.language && !nulls.env_vars);
    CHECK(read_execute("{\"code\":\"x\",\"context_id\":\"\",\"language\":\"r\",\"env_vars\":"
                       "{\"A\":\"b\"},\"more\":[1]}",
                       &full));
    CHECK(!full.context_id);
    CHECK_STR(full.language, "r");
    CHECK_INT(json_object_size(full.env_vars), 1);
}

TEST(execute_that_does_not_fit)
{
    refused("", "json_invalid", NULL);
    refused("[]", "json_invalid", NULL);
    refused("{\"code\":\"a\"", "json_invalid", NULL);
    refused("{}", "missing", "code");
    refused("{\"code\":null}", "string_type", "code");
    refused("{\"code\":{\"context\":{},\"language\":\"python\"}}", "string_type", "code");
    refused("{\"code\":\"1\",\"context_id\":7}", "string_type", "context_id");
    refused("{\"code\":\"1\",\"language\":[]}", "string_type", "language");
    refused("{\"code\":\"1\",\"env_vars\":\"A=b\"}", "dict_type", "env_vars");
    refused("{\"code\":\"1\",\"env_vars\":{\"A\":1}}", "string_type", "env_vars");
    refused("{\"code\":\"1\",\"env_vars\":{\"A\":null}}", "string_type", "env_vars");
}

TEST(many_mistakes_are_a_short_answer)
{
    wr_auto_buf body = WR_BUF(1 << 20);
    wr_auto_execute_request request = {0};

    CHECK_INT(wr_buf_append_str(&body, "{\"code\":\"1\",\"env_vars\":{\"\":0"), 0);
    for (int i = 0; i < 10000; i++)
        CHECK_INT(wr_buf_printf(&body, ",\"name%d\":1", i), 0);
    CHECK_INT(wr_buf_append_str(&body, "}}"), 0);
    CHECK(!wr_execute_request_read(wr_buf_ptr(&body), body.len, &request, &detail));
    CHECK(detail.len > 0 && detail.len < 4096);
}

TEST(context_options)
{
    wr_auto_context_options none = {0}, empty = {0}, both = {0}, wrong = {0};

    CHECK(wr_context_options_read("", 0, &none, &detail));
    CHECK(!none.cwd && !none.language);
    wr_buf_clear(&detail);
    CHECK(wr_context_options_read("{}", 2, &empty, &detail));
    CHECK(!empty.cwd && !empty.language);
    wr_buf_clear(&detail);
    static const char text[] = "{\"cwd\":\"/tmp\",\"language\":\"js\"}";
    CHECK(wr_context_options_read(text, strlen(text), &both, &detail));
    CHECK_STR(both.cwd, "/tmp");
    CHECK_STR(both.language, "js");
    wr_buf_clear(&detail);
    CHECK(!wr_context_options_read("{\"cwd\":1}", 9, &wrong, &detail));
}
