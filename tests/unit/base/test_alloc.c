#include "base/alloc.h"
#include "test.h"

TEST(calloc_zeroes_and_refuses_overflow)
{
    wr_auto_free unsigned char *p = wr_calloc(16, 4);
    CHECK(p);
    for (size_t i = 0; i < 64; i++)
        CHECK_INT(p[i], 0);
    volatile size_t huge = SIZE_MAX / 2;
    wr_auto_free void *none = wr_calloc(huge, 4);
    CHECK(!none);
}

TEST(strings)
{
    wr_auto_free char *a = wr_strdup("abc");
    CHECK_STR(a, "abc");
    wr_auto_free char *b = wr_strndup("abcdef", 2);
    CHECK_STR(b, "ab");
    wr_auto_free char *c = wr_asprintf("%s-%d", "x", 7);
    CHECK_STR(c, "x-7");
}

TEST(steal_moves_ownership)
{
    wr_auto_free char *a = wr_strdup("abc");
    wr_auto_free char *b = wr_steal_ptr(&a);
    CHECK(!a);
    CHECK_STR(b, "abc");
}
