#include "interpreter/language.h"
#include "test.h"

static void check(const char *given, const char *expected)
{
    const struct wr_language *found = wr_language_find(given);
    if (expected)
        CHECK_STR(found ? found->name : "(none)", expected);
    else
        CHECK(found == NULL);
}

TEST(names_are_normalised)
{
    check(NULL, "python");
    check("", "python");
    check("  ", "python");
    check("python", "python");
    check(" PyThon\n", "python");
    check("js", "javascript");
    check("JS", "javascript");
    check("ts", "typescript");
    check("TypeScript", "typescript");
    check("bash", "bash");
    check("r", "r");
    check("R", "r");
    check("java", "java");
    check("cobol", NULL);
    check("py thon", NULL);
    check("pythonpythonpythonpythonpythonpythonpython", NULL);
}

TEST(javascript_and_typescript_are_two)
{
    CHECK(wr_language_find("js") != wr_language_find("ts"));
    CHECK_STR(wr_language_find("js")->runner, wr_language_find("ts")->runner);
}

TEST(what_is_missing_is_told)
{
    struct wr_error err;

    CHECK_INT(wr_language_check(wr_language_find("r"), "/nowhere:/bin", &err), -WR_E_UNIMPLEMENTED);
    CHECK(strstr(err.msg, "code-interpreter-full") != NULL);
}

TEST(a_runner_needs_its_own_program_too)
{
    const struct wr_language language = {
        .name = "sh", .what = "Sh", .program = "sh", .runner = "/dev/null", .argv = {"no-program"}};
    struct wr_error err;

    CHECK_INT(wr_language_check(&language, "/nowhere:/bin", &err), -WR_E_UNIMPLEMENTED);
    CHECK(strstr(err.msg, "no no-program;") != NULL);
}
