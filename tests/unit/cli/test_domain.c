#include "base/base.h"
#include "cli/domain.h"
#include "test.h"

TEST(names)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"sbx.test", true},
        {"localhost", true},
        {"a", true},
        {"a-b.c0", true},
        {"3com.example", true},
        {"1.2.3.x", true},
        {"", false},
        {".", false},
        {"a.", false},
        {".a", false},
        {"a..b", false},
        {"-a.b", false},
        {"a-.b", false},
        {"a.b-", false},
        {"A.b", false},
        {"a_b.c", false},
        {"a b", false},
        {"127.0.0.1", false},
        {"1", false},
        {"a.1", false},
        {"*.a", false},
        {"a:1", false},
        {"\xc3\xa4.b", false},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", true},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", false},
    };
    char longest[255];

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++)
        if (wr_domain_valid(cases[i].name, strlen(cases[i].name)) != cases[i].valid)
            wr_test_fail(__FILE__, __LINE__, "\"%s\" is %s", cases[i].name,
                         cases[i].valid ? "refused" : "accepted");
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = i % 2 ? '.' : 'a';
    CHECK(wr_domain_valid(longest, 253));
    CHECK(!wr_domain_valid(longest, 255));
}
