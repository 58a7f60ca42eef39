#include "server/egress/domain_set.h"
#include "test.h"

static void add(struct wr_domain_set *set, const char *pattern, size_t index)
{
    CHECK_INT(wr_domain_set_add(set, pattern, index), 0);
}

static int find(const struct wr_domain_set *set, const char *name)
{
    const struct wr_domain_entry *entry = wr_domain_set_find(set, name);
    return entry ? (int)entry->index : -1;
}

TEST(the_most_specific_pattern)
{
    struct wr_domain_set set = {0};
    CHECK_INT(find(&set, "a"), -1);
    add(&set, "*.com", 0);
    add(&set, "*.Example.com", 1);
    add(&set, "example.com", 2);
    add(&set, "a.example.com", 3);
    add(&set, "*.a.example.com", 4);
    wr_domain_set_sort(&set);
    CHECK_INT(find(&set, "example.com"), 2);
    CHECK_INT(find(&set, "a.example.com"), 3);
    CHECK_INT(find(&set, "b.example.com"), 1);
    CHECK_INT(find(&set, "x.a.example.com"), 4);
    CHECK_INT(find(&set, "x.y.a.example.com"), 4);
    CHECK_INT(find(&set, "other.com"), 0);
    CHECK_INT(find(&set, "com"), -1);
    CHECK_INT(find(&set, "notexample.org"), -1);
    add(&set, "*", 5);
    wr_domain_set_sort(&set);
    CHECK_INT(find(&set, "com"), 5);
    CHECK_INT(find(&set, "b.example.com"), 1);
    wr_domain_set_done(&set);
    CHECK_INT(find(&set, "com"), -1);
}

TEST(a_suffix_without_a_dot_is_another_name)
{
    struct wr_domain_set set = {0};
    add(&set, "*.example.com", 0);
    add(&set, "example.com", 1);
    wr_domain_set_sort(&set);
    CHECK_INT(find(&set, "badexample.com"), -1);
    CHECK_INT(find(&set, "example.com.evil.org"), -1);
    CHECK_INT(find(&set, ".example.com"), 0);
    wr_domain_set_done(&set);
}

TEST(many_patterns)
{
    struct wr_domain_set set = {0};
    char name[64];
    for (size_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%sh%zu.example.com", i % 2 ? "*." : "", i);
        add(&set, name, i);
    }
    wr_domain_set_sort(&set);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%sh%zu.example.com", i % 2 ? "x." : "", i);
        CHECK_INT(find(&set, name), i);
    }
    CHECK_INT(find(&set, "h1000.example.com"), -1);
    wr_domain_set_done(&set);
}

TEST(names)
{
    char out[WR_DOMAIN_MAX + 1], text[300];
    CHECK(wr_domain_normalize("ExAmple.COM.", out));
    CHECK_STR(out, "example.com");
    CHECK(wr_domain_normalize("a..", out));
    CHECK_STR(out, "a.");
    CHECK(!wr_domain_normalize("", out) && !wr_domain_normalize(".", out));
    memset(text, 'a', sizeof text);
    text[WR_DOMAIN_MAX] = '\0';
    CHECK(wr_domain_normalize(text, out));
    text[WR_DOMAIN_MAX] = '.';
    text[WR_DOMAIN_MAX + 1] = '\0';
    CHECK(wr_domain_normalize(text, out));
    text[WR_DOMAIN_MAX] = 'a';
    CHECK(!wr_domain_normalize(text, out));
    CHECK(wr_domain_is_name("a") && wr_domain_is_name("xn--bcher-kva.example"));
    CHECK(!wr_domain_is_name("1.2.3.4") && !wr_domain_is_name("a b") && !wr_domain_is_name("*"));
    CHECK(wr_domain_is_pattern("*") && wr_domain_is_pattern("*.a") && wr_domain_is_pattern("a.b"));
    CHECK(!wr_domain_is_pattern("*.") && !wr_domain_is_pattern("*a") &&
          !wr_domain_is_pattern("**") && !wr_domain_is_pattern("a.*") &&
          !wr_domain_is_pattern("*.*.a"));
}
