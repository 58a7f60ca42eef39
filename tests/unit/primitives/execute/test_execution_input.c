#include "json/jread.h"
#include "primitives/execute/execution_input.h"
#include "test.h"

static json_t *parsed(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);

    CHECK(json);
    return json;
}

static void refused(const char *text, const char *with)
{
    json_t *input = parsed(text);
    struct wr_execution_input read = {.code = "untouched"};
    struct wr_error err = {0};

    if (wr_execution_input_read(input, &read, &err) != -WR_E_INVALID_ARGUMENT ||
        !strstr(err.msg, with))
        wr_test_fail(__FILE__, __LINE__, "%s: \"%s\" lacks \"%s\"", text, err.msg, with);
    CHECK_STR(read.code, "untouched");
    json_decref(input);
}

TEST(a_whole_input)
{
    json_t *input =
        parsed("{\"code\": \"print('\u00e9')\", \"language\": \"bash\", \"timeout\": 1.5,"
               "\"files\": {\"a.txt\": \"text\", \"b/c.bin\": {\"base64\": \"AAEC/w==\"}},"
               "\"install\": [\"requests>=2\", \"x[y]\"], \"env\": {\"A\": \"b=c\"}}");
    struct wr_execution_input read = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_execution_input_read(input, &read, &err), 0);
    CHECK_STR(read.code, "print('\u00e9')");
    CHECK_INT(read.code_length, 10);
    CHECK_STR(read.language, "bash");
    CHECK_INT(read.timeout_ms, 1500);
    CHECK_INT(read.file_count, 2);
    CHECK_STR(read.files[0].path, "a.txt");
    CHECK_INT(read.files[0].len, 4);
    CHECK_STR(read.files[1].path, "b/c.bin");
    CHECK_INT(read.files[1].len, 4);
    CHECK(memcmp(read.files[1].bytes, "\x00\x01\x02\xff", 4) == 0);
    CHECK_INT(read.package_count, 2);
    CHECK_STR(read.packages[1], "x[y]");
    CHECK_STR(json_string_value(json_object_get(read.env, "A")), "b=c");
    wr_execution_input_done(&read);
    wr_execution_input_done(&read);
    json_decref(input);
}

TEST(null_is_as_if_it_were_not_there_and_two_members_have_another_name)
{
    json_t *input = parsed(
        "{\"code\": \"1\", \"timeout\": null, \"timeout_seconds\": 2, \"env\": null,"
        "\"env_vars\": {\"A\": \"1\"}, \"files\": null, \"install\": null, \"language\": null}");
    struct wr_execution_input read = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_execution_input_read(input, &read, &err), 0);
    CHECK_INT(read.timeout_ms, 2000);
    CHECK(read.env && !read.language && !read.files && !read.packages);
    wr_execution_input_done(&read);
    json_decref(input);
}

TEST(what_is_wrong_is_named)
{
    refused("[]", "no object");
    refused("{}", "code: missing");
    refused("{\"code\": null}", "code: missing");
    refused("{\"code\": 7}", "code: missing, or no text");
    refused("{\"code\": \"\"}", "code: empty");
    refused("{\"code\": \"a\\u0000b\"}", "code: has a NUL");
    refused("{\"code\": \"1\", \"tiemout\": 3}", "tiemout: ");
    refused("{\"code\": \"1\", \"timeout\": 0}", "timeout: ");
    refused("{\"code\": \"1\", \"timeout\": -1}", "timeout: ");
    refused("{\"code\": \"1\", \"timeout\": true}", "timeout: ");
    refused("{\"code\": \"1\", \"timeout\": \"3\"}", "timeout: ");
    refused("{\"code\": \"1\", \"timeout\": 86401}", "up to 86400");
    refused("{\"code\": \"1\", \"timeout\": 3, \"timeout_seconds\": 3}", "said twice");
    refused("{\"code\": \"1\", \"language\": \"a b\"}", "language: ");
    refused("{\"code\": \"1\", \"env\": []}", "env: ");
    refused("{\"code\": \"1\", \"env\": {\"\": \"x\"}}", "env: \"\"");
    refused("{\"code\": \"1\", \"env\": {\"A=B\": \"x\"}}", "A=B");
    refused("{\"code\": \"1\", \"env_vars\": {\"A\": 1}}", "env_vars: A");
    refused("{\"code\": \"1\", \"env\": {\"A\": \"a\\u0000\"}}", "env: A");
    refused("{\"code\": \"1\", \"env\": {}, \"env_vars\": {}}", "said twice");
    refused("{\"code\": \"1\", \"files\": [\"a\"]}", "files: ");
    refused("{\"code\": \"1\", \"files\": {\"\": \"x\"}}", "no path");
    refused("{\"code\": \"1\", \"files\": {\"d/\": \"x\"}}", "no path");
    refused("{\"code\": \"1\", \"files\": {\"a\": 1}}", "files: a is neither");
    refused("{\"code\": \"1\", \"files\": {\"a\": {\"base64\": \"!\"}}}", "not base64");
    refused("{\"code\": \"1\", \"files\": {\"a\": {\"base64\": \"\", \"mode\": 1}}}", "neither");
    refused("{\"code\": \"1\", \"install\": \"requests\"}", "install: ");
    refused("{\"code\": \"1\", \"install\": [\"ok\", \"--index-url=x\"]}", "install[1]");
    refused("{\"code\": \"1\", \"install\": [\"\"]}", "install[0]");
    refused("{\"code\": \"1\", \"install\": [\"a\\nb\"]}", "install[0]");
}

TEST(both_sides_of_limits)
{
    json_t *input = parsed("{\"code\": \"1\", \"timeout\": 86400}"), *packages = json_array();
    struct wr_execution_input read = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_execution_input_read(input, &read, &err), 0);
    wr_execution_input_done(&read);
    json_object_del(input, "timeout");
    for (int i = 0; i < WR_EXECUTION_MAX_PACKAGES; i++)
        json_array_append_new(packages, json_string("x"));
    json_object_set_new(input, "install", packages);
    CHECK_INT(wr_execution_input_read(input, &read, &err), 0);
    wr_execution_input_done(&read);
    json_array_append_new(packages, json_string("x"));
    CHECK_INT(wr_execution_input_read(input, &read, &err), -WR_E_INVALID_ARGUMENT);
    json_object_del(input, "install");

    char *code = calloc(1, WR_EXECUTION_MAX_CODE + 2);
    memset(code, '#', WR_EXECUTION_MAX_CODE);
    json_object_set_new(input, "code", json_string(code));
    CHECK_INT(wr_execution_input_read(input, &read, &err), 0);
    CHECK_INT(read.code_length, WR_EXECUTION_MAX_CODE);
    wr_execution_input_done(&read);
    code[WR_EXECUTION_MAX_CODE] = '#';
    json_object_set_new(input, "code", json_string(code));
    CHECK_INT(wr_execution_input_read(input, &read, &err), -WR_E_INVALID_ARGUMENT);
    free(code);
    json_decref(input);
}
