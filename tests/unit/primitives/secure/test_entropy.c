#include <math.h>

#include "primitives/secure/entropy.h"
#include "test.h"

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

TEST(known_values)
{
    CHECK(near(wr_entropy("", 0), 0));
    CHECK(near(wr_entropy("aaaa", 4), 0));
    CHECK(near(wr_entropy("abab", 4), 1));
    CHECK(near(wr_entropy("abcdefgh", 8), 3));
    CHECK(near(wr_entropy("aab", 3), 0.9182958340544896));
}

TEST(all_bytes_are_eight_bits)
{
    unsigned char all[512];

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (unsigned char)i;
    CHECK(near(wr_entropy(all, sizeof all), 8));
}
