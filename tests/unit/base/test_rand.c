#include "base/rand.h"
#include "base/str.h"
#include "test.h"

TEST(ids_are_valid_and_differ)
{
    char a[WR_ID_LEN + 2], b[WR_ID_LEN + 1];
    a[WR_ID_LEN + 1] = '#';
    wr_random_id(a, WR_ID_LEN);
    wr_random_id(b, WR_ID_LEN);
    CHECK(wr_id_valid(a));
    CHECK(wr_id_valid(b));
    CHECK(!wr_streq(a, b));
    CHECK_INT(a[WR_ID_LEN + 1], '#');
    wr_random_id(a, 0);
    CHECK_STR(a, "");
}

/* 36,000 characters: 1000 of each are expected; 800..1200 is more than six standard deviations. */
TEST(every_character_is_about_equally_likely)
{
    static char text[36001];
    int counts[256] = {0};
    wr_random_id(text, 36000);
    for (size_t i = 0; i < 36000; i++)
        counts[(unsigned char)text[i]]++;
    for (const char *c = "abcdefghijklmnopqrstuvwxyz0123456789"; *c; c++)
        CHECK(counts[(unsigned char)*c] > 800 && counts[(unsigned char)*c] < 1200);
}

TEST(bytes_fill_exactly)
{
    unsigned char out[1000] = {0};
    wr_random_bytes(out, 999);
    int zeros = 0;
    for (size_t i = 0; i < 999; i++)
        zeros += out[i] == 0;
    CHECK(zeros < 40);
    CHECK_INT(out[999], 0);
}
