#include "base/str.h"
#include "cli/blank_pools.h"
#include "test.h"

static void check(const char *text, const char *expected)
{
    struct wr_server_config config = {.timeout_max_s = 1};
    struct wr_error err = {0};
    char seen[512] = "";

    if (wr_blank_pools_parse(text, &config, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", text, err.msg);
    for (size_t i = 0; i < config.blank_pool_count; i++) {
        size_t len = strlen(seen);
        CHECK(wr_strformat(seen + len, sizeof seen - len, "%s:%u;",
                           config.blank_pools[i].template_name, config.blank_pools[i].count));
    }
    CHECK_STR(seen, expected);
}

static void refused(const char *text, const char *word)
{
    struct wr_server_config config = {.timeout_max_s = 1};
    struct wr_error err = {0};

    CHECK_INT(wr_blank_pools_parse(text, &config, &err), -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, word))
        wr_test_fail(__FILE__, __LINE__, "%s: \"%s\" does not say %s", text, err.msg, word);
}

TEST(pools)
{
    check(NULL, "");
    check("", "");
    check("off", "");
    check("base=2", "base:2;");
    check("base=2,", "base:2;");
    check("base=0", "base:0;");
    check(" base=2 , a.b-c=64 ", "base:2;a.b-c:64;");
    check("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1", "a:1;b:1;c:1;d:1;e:1;f:1;g:1;h:1;");
}

TEST(bad_pools)
{
    char long_name[200] = "";

    refused("base", "TEMPLATE=N");
    refused("base=", "TEMPLATE=N");
    refused("base=x", "TEMPLATE=N");
    refused("base=-1", "TEMPLATE=N");
    refused("base=65", "up to 64");
    refused("base=2,,a=1", "TEMPLATE=N");
    refused("../x=1", "name of a template");
    refused("=1", "name of a template");
    refused("base=1,base=2", "twice");
    refused("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1", "more than 8");
    memset(long_name, 'a', 80);
    refused(long_name, "TEMPLATE=N");
    memset(long_name, 'a', sizeof long_name - 1);
    refused(long_name, "too long");
}
