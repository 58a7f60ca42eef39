#include "primitives/testing/project_input.h"
#include "test.h"

static void refused(const char *text, const char *with)
{
    json_t *input = json_loads(text, JSON_ALLOW_NUL, NULL);
    struct wr_project_input read = {0};
    struct wr_error err = {0};

    CHECK(input);
    if (wr_project_input_read(input, &read, &err) != -WR_E_INVALID_ARGUMENT ||
        !strstr(err.msg, with))
        wr_test_fail(__FILE__, __LINE__, "%s: \"%s\" lacks \"%s\"", text, err.msg, with);
    CHECK(!read.path && !read.args);
    json_decref(input);
}

TEST(a_whole_input)
{
    json_t *input =
        json_loads("{\"project\": \"/p\", \"runner\": \"unittest\", \"args\": [\"-v\", \"tests\"],"
                   "\"install\": [\"a\"], \"requirements\": \"dev/req.txt\", \"coverage\": true}",
                   0, NULL);
    struct wr_project_input read = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_project_input_read(input, &read, &err), 0);
    CHECK_STR(read.path, "/p");
    CHECK_INT(read.runner, WR_RUNNER_UNITTEST);
    CHECK_INT(read.arg_count, 2);
    CHECK_STR(read.args[1], "tests");
    CHECK_INT(read.package_count, 1);
    CHECK_STR(read.requirements, "dev/req.txt");
    CHECK(read.coverage);
    wr_project_input_done(&read);
    json_decref(input);
}

TEST(defaults)
{
    json_t *input = json_loads("{\"project\": \"p\", \"runner\": null, \"args\": null}", 0, NULL);
    struct wr_project_input read = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_project_input_read(input, &read, &err), 0);
    CHECK_INT(read.runner, WR_RUNNER_PYTEST);
    CHECK(!read.args && !read.requirements && !read.coverage);
    wr_project_input_done(&read);
    json_decref(input);
}

TEST(what_is_wrong_is_named)
{
    refused("{}", "project: missing");
    refused("{\"project\": 1}", "project");
    refused("{\"project\": \"a\\u0000b\"}", "project");
    refused("{\"project\": \"p\", \"runner\": \"nose\"}", "runner");
    refused("{\"project\": \"p\", \"args\": \"-v\"}", "args");
    refused("{\"project\": \"p\", \"args\": [\"-v\", 1]}", "args[1]");
    refused("{\"project\": \"p\", \"install\": [\"-e .\"]}", "install[0]");
    refused("{\"project\": \"p\", \"requirements\": \"/etc/passwd\"}", "requirements");
    refused("{\"project\": \"p\", \"requirements\": \"../x\"}", "requirements");
    refused("{\"project\": \"p\", \"requirements\": \"a/../../x\"}", "requirements");
    refused("{\"project\": \"p\", \"requirements\": \"-r\"}", "requirements");
    refused("{\"project\": \"p\", \"coverage\": 1}", "coverage");
    refused("{\"project\": \"p\", \"code\": \"1\"}", "code: ");
}
