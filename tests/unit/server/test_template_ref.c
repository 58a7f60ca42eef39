#include "server/template_ref.h"
#include "test.h"

static void check(const char *text, const char *team, const char *name, const char *tag)
{
    struct wr_template_ref ref = {0};
    struct wr_error err = {0};
    if (wr_template_ref_parse(text, &ref, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", text, err.msg);
    CHECK_STR(ref.team, team);
    CHECK_STR(ref.name, name);
    CHECK_STR(ref.tag, tag);
}

TEST(forms)
{
    check("base", "", "base", "");
    check(" \tBase\n", "", "base", "");
    check("base:default", "", "base", "default");
    check("Team/My_Base-1:V1.0", "team", "my_base-1", "v1.0");
    check("base:3f1c0b8e-7a0c-4c63-9c56-0f2b9f6f2a11", "", "base",
          "3f1c0b8e-7a0c-4c63-9c56-0f2b9f6f2a11");
    check("a.b", "", "a.b", "");
}

TEST(refused)
{
    static const char *const bad[] = {"",    " ",    "/base", "a/",    "base:",    ":x",   "a/b/c",
                                      "a b", "../x", "a:b:c", "a:b/c", "\xc3\xa4", "a/b:", "x/.."};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        struct wr_template_ref ref = {.name = "untouched"};
        struct wr_error err = {0};
        if (wr_template_ref_parse(bad[i], &ref, &err) != -WR_E_INVALID_ARGUMENT)
            wr_test_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i]);
        CHECK_STR(ref.name, "untouched");
    }
}

TEST(lengths_from_both_sides)
{
    char text[256];
    struct wr_template_ref ref = {0};
    struct wr_error err = {0};
    for (int len = 63; len <= 64; len++) {
        memset(text, 'a', (size_t)len);
        text[len] = '\0';
        CHECK_INT(wr_template_ref_parse(text, &ref, &err), len == 63 ? 0 : -WR_E_INVALID_ARGUMENT);
    }
    for (int len = 128; len <= 129; len++) {
        memset(text, 'a', (size_t)len + 2);
        text[1] = ':';
        text[len + 2] = '\0';
        CHECK_INT(wr_template_ref_parse(text, &ref, &err), len == 128 ? 0 : -WR_E_INVALID_ARGUMENT);
    }
}

TEST(what_could_be_an_id)
{
    char id[WR_TEMPLATE_ID_LEN + 1];
    struct wr_template_ref ref = {0};
    struct wr_error err = {0};
    wr_template_id("base", id);
    CHECK_INT(wr_template_ref_parse(id, &ref, &err), 0);
    CHECK(wr_template_ref_is_id(&ref));
    CHECK_INT(wr_template_ref_parse("base", &ref, &err), 0);
    CHECK(!wr_template_ref_is_id(&ref));
}
