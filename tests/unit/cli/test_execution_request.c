#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/execution_request.h"
#include "json/jread.h"
#include "test.h"

static char dir[64];

static const char *put(const char *name, const void *bytes, size_t len)
{
    static char path[256];

    if (!*dir) {
        CHECK(wr_strcopy(dir, sizeof dir, "/tmp/warren-request-XXXXXX"));
        CHECK(mkdtemp(dir) != NULL);
    }
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_INT(wr_file_replace(AT_FDCWD, path, bytes, len, 0600, WR_VOLATILE), 0);
    return path;
}

static void remove_all(void)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
    dir[0] = '\0';
}

TEST(languages)
{
    static const struct {
        const char *lang, *file, *expected;
    } cases[] = {{NULL, "a.py", "python"},
                 {NULL, "-", "python"},
                 {"js", "-", "javascript"},
                 {"r", "a.py", "r"},
                 {NULL, "b/a.ts", "typescript"}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        struct wr_error err = {0};
        const char *language = NULL;
        CHECK_INT(wr_execution_language(cases[i].lang, cases[i].file, &language, &err), 0);
        CHECK_STR(language, cases[i].expected);
    }
}

TEST(languages_that_are_not_known)
{
    struct wr_error err = {0};
    const char *language = NULL;

    CHECK_INT(wr_execution_language(NULL, "a.txt", &language, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "a.txt") && strstr(err.msg, "--lang"));
    CHECK_INT(wr_execution_language("cobol", "a.py", &language, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!language);
}

TEST(env)
{
    struct wr_error err = {0};
    const struct wr_opt_list envs = {{"A=1", "B=x=y", "C="}, 3};
    const struct wr_opt_list wrong[] = {{{"A"}, 1}, {{"=1"}, 1}, {{"A=\xff"}, 1}};
    wr_auto_json *env = NULL;

    CHECK_INT(wr_execution_env_read(&envs, &env, &err), 0);
    CHECK_INT(json_object_size(env), 3);
    CHECK_STR(json_string_value(json_object_get(env, "B")), "x=y");
    CHECK_STR(json_string_value(json_object_get(env, "C")), "");
    for (size_t i = 0; i < WR_ARRAY_SIZE(wrong); i++) {
        json_t *none = NULL;
        CHECK_INT(wr_execution_env_read(&wrong[i], &none, &err), -WR_E_INVALID_ARGUMENT);
        CHECK(!none);
    }
}

TEST(a_value_without_a_name_is_not_shown)
{
    struct wr_error err = {0};
    const struct wr_opt_list envs = {{"my-secret-value"}, 1};
    json_t *env = NULL;

    CHECK_INT(wr_execution_env_read(&envs, &env, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!strstr(err.msg, "my-secret-value"));
}

TEST(parts)
{
    char text_file[300], binary_file[300];
    struct wr_error err = {0};
    wr_auto_json *parts = NULL;

    snprintf(text_file, sizeof text_file, "%s:in/a.txt", put("a.txt", "h\xc3\xa9", 3));
    snprintf(binary_file, sizeof binary_file, "%s:b.bin", put("b.bin", "\0\xff", 2));
    const struct wr_opt_list files = {{text_file, binary_file}, 2};
    const struct wr_opt_list packages = {{"numpy>=2"}, 1};
    const struct wr_opt_list none = {0};
    const struct wr_execution_parts given = {
        .timeout_ms = 1500, .files = &files, .install = &packages, .envs = &none};
    CHECK_INT(wr_execution_parts_read(&given, &parts, &err), 0);
    const json_t *read = json_object_get(parts, "files");
    CHECK_STR(json_string_value(json_object_get(read, "in/a.txt")), "h\xc3\xa9");
    CHECK_STR(json_string_value(json_object_get(json_object_get(read, "b.bin"), "base64")), "AP8=");
    CHECK_STR(json_string_value(json_array_get(json_object_get(parts, "install"), 0)), "numpy>=2");
    CHECK(json_real_value(json_object_get(parts, "timeout")) == 1.5);
    CHECK(!json_object_get(parts, "env"));
    remove_all();
}

TEST(files_that_are_not_there)
{
    static const char *const specs[] = {"none", ":a", "a:", "/nowhere/a:b", "/tmp:b"};
    static const int codes[] = {WR_E_INVALID_ARGUMENT, WR_E_INVALID_ARGUMENT, WR_E_INVALID_ARGUMENT,
                                WR_E_NOT_FOUND, WR_E_INVALID_ARGUMENT};

    for (size_t i = 0; i < WR_ARRAY_SIZE(specs); i++) {
        struct wr_error err = {0};
        const struct wr_opt_list files = {{specs[i]}, 1};
        const struct wr_execution_parts given = {.files = &files};
        json_t *parts = NULL;
        CHECK_INT(wr_execution_parts_read(&given, &parts, &err), -codes[i]);
        CHECK(strstr(err.msg, "option --file"));
        CHECK(!parts);
    }
}

TEST(requests_share_their_parts)
{
    struct wr_error err = {0};
    wr_auto_json *parts = json_pack("{s:i}", "timeout", 1);
    wr_auto_json *request = NULL;

    CHECK_INT(wr_execution_request_read(put("a.js", "1+1", 3), NULL, parts, &request, &err), 0);
    CHECK_STR(json_string_value(json_object_get(request, "code")), "1+1");
    CHECK_STR(json_string_value(json_object_get(request, "language")), "javascript");
    CHECK_INT(json_integer_value(json_object_get(request, "timeout")), 1);
    CHECK_INT(json_object_size(parts), 1);
    json_t *none = NULL;
    CHECK_INT(wr_execution_request_read(put("b.py", "\xff\xfe", 2), NULL, parts, &none, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "UTF-8") && !none);
    remove_all();
}
