#include "cli/conf.h"
#include "test.h"

static struct wr_conf conf;
static struct wr_error err;

static int parse(const char *text)
{
    wr_conf_done(&conf);
    return wr_conf_parse(&conf, "w.conf", text, strlen(text), &err);
}

static void refused(const char *text, const char *message)
{
    CHECK_INT(parse(text), -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, message))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.msg, message);
}

TEST(lines)
{
    CHECK_INT(parse("# a comment\n"
                    "\n"
                    "  one = 1\n"
                    "two=a b  # behind it\r\n"
                    "three = x#y = z\n"
                    "\t#four = 4\n"
                    "five =\n"
                    "six = 6"),
              0);
    CHECK_INT(conf.count, 5);
    CHECK_STR(wr_conf_find(&conf, "one")->value, "1");
    CHECK_INT(wr_conf_find(&conf, "one")->line, 3);
    CHECK_STR(wr_conf_find(&conf, "two")->value, "a b");
    CHECK_STR(wr_conf_find(&conf, "three")->value, "x#y = z");
    CHECK_STR(wr_conf_find(&conf, "five")->value, "");
    CHECK_INT(wr_conf_find(&conf, "six")->line, 8);
    CHECK(!wr_conf_find(&conf, "four"));
    CHECK_STR(conf.path, "w.conf");
}

TEST(empty)
{
    CHECK_INT(parse(""), 0);
    CHECK_INT(conf.count, 0);
    CHECK_INT(parse("\n\n#\n"), 0);
    CHECK_INT(conf.count, 0);
}

TEST(errors_name_file_and_line)
{
    refused("a = 1\n\nnonsense\n", "w.conf:3: \"nonsense\"");
    refused("a = 1\n= 2\n", "w.conf:2: \"\" is not a name");
    refused("A = 1\n", "w.conf:1: \"A\"");
    refused("a b = 1\n", "w.conf:1: \"a b\"");
    refused("a = 1\n# x\na = 2\n", "w.conf:3: a was set in line 1");
    refused("a = \xff\n", "UTF-8");
    wr_conf_done(&conf);
    CHECK_INT(wr_conf_parse(&conf, "w.conf", "a = 1\0b", 7, &err), -WR_E_INVALID_ARGUMENT);
}

TEST(limits)
{
    static char text[WR_CONF_MAX_BYTES + 2];
    size_t len = 0;

    for (int i = 0; i < WR_CONF_MAX_ENTRIES; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "n%d = 1\n", i);
    CHECK_INT(parse(text), 0);
    CHECK_INT(conf.count, WR_CONF_MAX_ENTRIES);
    CHECK(snprintf(text + len, sizeof text - len, "more = 1\n") > 0);
    refused(text, "w.conf:129: more than 128");
    memset(text, '#', WR_CONF_MAX_BYTES);
    text[WR_CONF_MAX_BYTES] = '\0';
    CHECK_INT(parse(text), 0);
    text[WR_CONF_MAX_BYTES] = '#';
    refused(text, "w.conf: larger than 64 KiB");
}

TEST(missing_file)
{
    CHECK_INT(wr_conf_read(&conf, "/nonexistent/w.conf", true, &err), 0);
    CHECK(!conf.path);
    CHECK_INT(conf.count, 0);
    CHECK_INT(wr_conf_read(&conf, "/nonexistent/w.conf", false, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "/nonexistent/w.conf"));
}
