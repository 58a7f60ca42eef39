#include "base/base.h"
#include "cli/opts.h"
#include "test.h"

struct values {
    bool flag, other;
    const char *text;
    struct wr_opt_list list;
    uint64_t number, size, time, cpu;
};

static const struct wr_opt opts[] = {
    {"flag", 'f', WR_OPT_FLAG, offsetof(struct values, flag), NULL, "a flag", 0, 0, false},
    {"other", 'o', WR_OPT_FLAG, offsetof(struct values, other), NULL, "a flag", 0, 0, false},
    {"text", 't', WR_OPT_STRING, offsetof(struct values, text), "TEXT", "a text", 0, 0, false},
    {"item", 'i', WR_OPT_LIST, offsetof(struct values, list), "ITEM", "a list", 0, 0, false},
    {"number", 'n', WR_OPT_U64, offsetof(struct values, number), "N", "a number", 8, 100, false},
    {"memory", 0, WR_OPT_SIZE, offsetof(struct values, size), "SIZE", "a size", 32 * WR_MIB, WR_GIB,
     false},
    {"time", 0, WR_OPT_DURATION, offsetof(struct values, time), "TIME", "a time", 1000, 3600000,
     false},
    {"cpu", 0, WR_OPT_CPU, offsetof(struct values, cpu), "N", "cpus", 50, 8000, false},
    {"secret", 0, WR_OPT_FLAG, offsetof(struct values, flag), NULL, "hidden", 0, 0, true},
};

static struct values values;
static struct wr_opt_args args;
static struct wr_error err;

static int parse(size_t stop_after, int argc, char *const *argv)
{
    const struct wr_opt_set set = {opts, WR_ARRAY_SIZE(opts), &values};
    memset(&values, 0, sizeof values);
    memset(&args, 0, sizeof args);
    memset(&err, 0, sizeof err);
    return wr_opts_parse(&set, 1, argc, argv, stop_after, &args, &err);
}
#define PARSE(stop, ...)                                             \
    parse(stop, (int)WR_ARRAY_SIZE(((const char *[]){__VA_ARGS__})), \
          (char *const *)(uintptr_t)(const char *[]){__VA_ARGS__})

TEST(forms)
{
    CHECK_INT(PARSE(SIZE_MAX, "-fo", "--text=a=b", "x", "-ione", "--item", "two", "-n", "8"), 0);
    CHECK(values.flag && values.other);
    CHECK_STR(values.text, "a=b");
    CHECK_INT(values.list.count, 2);
    CHECK_STR(values.list.items[0], "one");
    CHECK_STR(values.list.items[1], "two");
    CHECK_INT(values.number, 8);
    CHECK_INT(args.count, 1);
    CHECK_STR(args.items[0], "x");
}

TEST(units)
{
    CHECK_INT(PARSE(SIZE_MAX, "--memory", "512M", "--time", "1h", "--cpu", "0.5"), 0);
    CHECK_INT(values.size, 512 * WR_MIB);
    CHECK_INT(values.time, 3600000);
    CHECK_INT(values.cpu, 500);
}

TEST(arguments_end_options)
{
    CHECK_INT(PARSE(1, "-f", "prog", "-x", "--", "--text"), 0);
    CHECK_INT(args.count, 4);
    CHECK_STR(args.items[1], "-x");
    CHECK_STR(args.items[2], "--");
    CHECK_INT(PARSE(2, "id", "-f", "--", "-x", "y"), 0);
    CHECK(values.flag);
    CHECK_INT(args.count, 3);
    CHECK_STR(args.items[1], "-x");
    CHECK_INT(PARSE(SIZE_MAX, "-", "--", "--help"), 0);
    CHECK_INT(args.count, 2);
    CHECK(!args.help);
}

static void refused(int r, const char *text)
{
    CHECK_INT(r, -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, text))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.msg, text);
}

TEST(errors_name_option_and_range)
{
    refused(PARSE(SIZE_MAX, "--nope"), "--nope");
    refused(PARSE(SIZE_MAX, "-z"), "-z");
    refused(PARSE(SIZE_MAX, "--tex", "x"), "--tex");
    refused(PARSE(SIZE_MAX, "--text"), "needs a value (TEXT)");
    refused(PARSE(SIZE_MAX, "-t"), "needs a value (TEXT)");
    refused(PARSE(SIZE_MAX, "--flag=1"), "takes no value");
    refused(PARSE(SIZE_MAX, "--number", "x"), "whole number");
    refused(PARSE(SIZE_MAX, "--number", "-5"), "whole number");
    refused(PARSE(SIZE_MAX, "--number", "7"), "from 8 to 100");
    refused(PARSE(SIZE_MAX, "--number", "101"), "from 8 to 100");
    refused(PARSE(SIZE_MAX, "--memory", "33554431"), "32.0 MiB");
    refused(PARSE(SIZE_MAX, "--memory", "lots"), "512M");
    refused(PARSE(SIZE_MAX, "--time", "999ms"), "from 1s to 1h");
    refused(PARSE(SIZE_MAX, "--cpu", "8.001"), "from 0.05 to 8");
}

TEST(both_sides_of_ranges)
{
    CHECK_INT(PARSE(SIZE_MAX, "-n", "100", "--memory", "33554432", "--time", "1s", "--cpu", "8"),
              0);
    CHECK_INT(PARSE(SIZE_MAX, "-n8", "--memory", "1G", "--time", "3600s", "--cpu", "0.05"), 0);
}

TEST(help)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    CHECK_INT(PARSE(SIZE_MAX, "x", "--help"), 0);
    CHECK(args.help);
    wr_opts_print_help(out, opts, WR_ARRAY_SIZE(opts));
    fclose(out);
    CHECK(strstr(text, "-t, --text TEXT"));
    CHECK(strstr(text, "--memory SIZE"));
    CHECK(!strstr(text, "secret"));
    free(text);
}

TEST(list_limit)
{
    static char *argv[WR_OPT_MAX_LIST + 1];
    static char item[] = "-ix";
    for (size_t i = 0; i < WR_ARRAY_SIZE(argv); i++)
        argv[i] = item;
    CHECK_INT(parse(SIZE_MAX, WR_OPT_MAX_LIST, argv), 0);
    refused(parse(SIZE_MAX, WR_OPT_MAX_LIST + 1, argv), "--item");
}

TEST(choices)
{
    static const struct wr_opt choice[] = {
        {"form", 0, WR_OPT_CHOICE, 0, "a|ab|c", "a word", 0, 0, false, "ab"},
    };
    uint64_t value = 9;

    CHECK_INT(wr_opt_store(choice, &value, "here", "ab", &err), 0);
    CHECK_INT(value, 1);
    CHECK_INT(wr_opt_store(choice, &value, "here", "c", &err), 0);
    CHECK_INT(value, 2);
    refused(wr_opt_store(choice, &value, "here", "b", &err), "here: \"b\" is none of a|ab|c");
    refused(wr_opt_store(choice, &value, "here", "", &err), "none of");
    refused(wr_opt_store(choice, &value, "here", "a|ab", &err), "none of");
    CHECK_INT(value, 2);
}

TEST(what_was_given_is_kept)
{
    const char *texts[WR_ARRAY_SIZE(opts)] = {0};
    const struct wr_opt_set set = {opts, WR_ARRAY_SIZE(opts), &values, texts};
    const char *argv[] = {"-f", "--number", "9", "-n10"};

    memset(&args, 0, sizeof args);
    CHECK_INT(wr_opts_parse(&set, 1, (int)WR_ARRAY_SIZE(argv), (char *const *)(uintptr_t)argv,
                            SIZE_MAX, &args, &err),
              0);
    CHECK_STR(texts[0], "yes");
    CHECK(!texts[1]);
    CHECK_STR(texts[4], "10");
}
