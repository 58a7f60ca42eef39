#include "cli/language.h"
#include "test.h"

static const char *interpreter(const char *name, const char *file)
{
    const struct wr_language *language = NULL;
    struct wr_error err = {0};
    return wr_language_choose(name, file, &language, &err) == 0 ? language->interpreter : NULL;
}

TEST(by_extension)
{
    CHECK_STR(interpreter(NULL, "a.py"), "python3");
    CHECK_STR(interpreter(NULL, "/x/y.z/a.js"), "node");
    CHECK_STR(interpreter(NULL, "a.mjs"), "node");
    CHECK_STR(interpreter(NULL, "a.sh"), "bash");
    CHECK_STR(interpreter(NULL, "a.bash"), "bash");
    CHECK(!interpreter(NULL, "a.rb"));
    CHECK(!interpreter(NULL, "py"));
    CHECK(!interpreter(NULL, "-"));
}

TEST(by_name)
{
    CHECK_STR(interpreter("python", "-"), "python3");
    CHECK_STR(interpreter("js", "a.py"), "node");
    CHECK_STR(interpreter("SH", "x"), "bash");
    CHECK(!interpreter("perl", "a.py"));
}

TEST(errors_list_the_choices)
{
    const struct wr_language *language = NULL;
    struct wr_error err = {0};
    CHECK_INT(wr_language_choose("perl", "x", &language, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "python, js, sh"));
    CHECK_INT(wr_language_choose(NULL, "x.rb", &language, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, ".mjs"));
}
