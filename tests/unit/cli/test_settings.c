#include "cli/settings.h"
#include "test.h"

struct values {
    const char *name, *plain;
    uint64_t number, format, none;
    bool flag;
};

static const struct wr_opt opts[] = {
    {"the-name", 0, WR_OPT_STRING, offsetof(struct values, name), "NAME", "a name", 0, 0, false,
     "fallback"},
    {"number", 0, WR_OPT_U64, offsetof(struct values, number), "N", "a number", 1, 100, false, "7"},
    {"none", 0, WR_OPT_U64, offsetof(struct values, none), "N", "a number", 1, 100, false, ""},
    {"format", 0, WR_OPT_CHOICE, offsetof(struct values, format), "ab|abc|c", "a word", 0, 0, false,
     "abc"},
    {"flag", 0, WR_OPT_FLAG, offsetof(struct values, flag), NULL, "a flag", 0, 0, false, "no"},
    {"plain", 0, WR_OPT_STRING, offsetof(struct values, plain), "X", "no setting", 0, 0, false,
     NULL},
};

static struct values values;
static const char *texts[WR_ARRAY_SIZE(opts)];
static const struct wr_opt_set set = {opts, WR_ARRAY_SIZE(opts), &values, texts};
static struct wr_conf conf;
static struct wr_error err;

static int apply(const char *file, const char *const *argv, int argc)
{
    static struct wr_opt_args args;

    memset(&values, 0, sizeof values);
    memset(texts, 0, sizeof texts);
    wr_conf_done(&conf);
    CHECK_INT(wr_conf_parse(&conf, "w.conf", file, strlen(file), &err), 0);
    int r = wr_opts_parse(&set, 1, argc, (char *const *)(uintptr_t)argv, SIZE_MAX, &args, &err);
    if (r == 0)
        r = wr_settings_refuse_unknown(&set, 1, &conf, &err);
    return r < 0 ? r : wr_settings_apply(&set, &conf, &err);
}
#define APPLY(file, ...)                                 \
    apply(file, (const char *[]){"", ##__VA_ARGS__} + 1, \
          (int)WR_ARRAY_SIZE(((const char *[]){"", ##__VA_ARGS__})) - 1)

static void refused(int r, const char *message)
{
    CHECK_INT(r, -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, message))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.msg, message);
}

TEST(defaults)
{
    CHECK_INT(APPLY(""), 0);
    CHECK_STR(values.name, "fallback");
    CHECK_INT(values.number, 7);
    CHECK_INT(values.none, 0);
    CHECK_INT(values.format, 1);
    CHECK(!values.flag);
    CHECK(!values.plain);
}

TEST(option_before_environment_before_file_before_default)
{
    static const char file[] = "the-name = file\nnumber = 2\nflag = yes\nformat = c\n";

    CHECK_INT(APPLY(file), 0);
    CHECK_STR(values.name, "file");
    CHECK_INT(values.number, 2);
    CHECK_INT(values.format, 2);
    CHECK(values.flag);

    CHECK(setenv("WARREN_THE_NAME", "environment", 1) == 0);
    CHECK(setenv("WARREN_NUMBER", "3", 1) == 0);
    CHECK_INT(APPLY(file), 0);
    CHECK_STR(values.name, "environment");
    CHECK_INT(values.number, 3);
    CHECK_INT(values.format, 2);

    CHECK_INT(APPLY(file, "--number", "4", "--flag=no", "--format=ab"), 0);
    CHECK_STR(values.name, "environment");
    CHECK_INT(values.number, 4);
    CHECK_INT(values.format, 0);
    CHECK(!values.flag);

    CHECK(setenv("WARREN_NUMBER", "", 1) == 0); /* counts as not set */
    CHECK_INT(APPLY(file), 0);
    CHECK_INT(values.number, 2);
}

TEST(empty_value_in_the_file_is_none)
{
    CHECK_INT(APPLY("the-name =\n"), 0);
    CHECK(!values.name);
    CHECK_INT(APPLY("none =\n"), 0);
    CHECK_INT(values.none, 0);
    refused(APPLY("number =\n"), "w.conf:1: number: \"\"");
    refused(APPLY("format =\n"), "w.conf:1: format");
    refused(APPLY("flag =\n"), "w.conf:1: flag");
}

TEST(flags_as_text)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    char file[40];

    for (size_t i = 0; i < WR_ARRAY_SIZE(yes); i++) {
        (void)snprintf(file, sizeof file, "flag = %s\n", yes[i]);
        CHECK_INT(APPLY(file), 0);
        CHECK(values.flag);
        (void)snprintf(file, sizeof file, "flag = %s\n", no[i]);
        CHECK_INT(APPLY(file, "--plain", "x"), 0);
        CHECK(!values.flag);
    }
    CHECK_INT(APPLY("", "--flag"), 0);
    CHECK(values.flag);
}

TEST(errors_say_where)
{
    refused(APPLY("\nnumber = 101\n"), "w.conf:2: number: 101 is out of range (from 1 to 100)");
    refused(APPLY("format = b\n"), "w.conf:1: format: \"b\" is none of ab|abc|c");
    refused(APPLY("format = a\n"), "none of");
    refused(APPLY("flag = maybe\n"), "w.conf:1: flag: \"maybe\"");
    refused(APPLY("plain = x\n"), "w.conf:1: there is no setting \"plain\"");
    refused(APPLY("nothing = x\n"), "w.conf:1: there is no setting \"nothing\"");
    refused(APPLY("", "--number", "0"), "option --number: 0");
    refused(APPLY("", "--flag=maybe"), "option --flag: \"maybe\"");
    CHECK(setenv("WARREN_NUMBER", "many", 1) == 0);
    refused(APPLY(""), "WARREN_NUMBER: \"many\"");
    CHECK_INT(APPLY("", "--number", "5"), 0); /* what does not count is not read */
}

TEST(printed_settings_are_a_file_that_gives_the_same)
{
    char *text = NULL;
    size_t len = 0;

    CHECK(setenv("WARREN_FORMAT", "c", 1) == 0);
    CHECK_INT(APPLY("number = 9\n", "--the-name", "x"), 0);
    FILE *out = open_memstream(&text, &len);
    wr_settings_print(out, &set, &conf);
    fclose(out);
    CHECK(strstr(text, "number = 9 ") && strstr(text, "# w.conf:1"));
    CHECK(strstr(text, "format = c ") && strstr(text, "# WARREN_FORMAT"));
    CHECK(strstr(text, "the-name = x ") && strstr(text, "# option --the-name"));
    CHECK(strstr(text, "flag = no ") && strstr(text, "# default"));
    CHECK(!strstr(text, "plain"));
    CHECK(unsetenv("WARREN_FORMAT") == 0);
    CHECK_INT(APPLY(text), 0);
    CHECK_INT(values.number, 9);
    CHECK_INT(values.format, 2);
    CHECK_STR(values.name, "x");
    free(text);
}
