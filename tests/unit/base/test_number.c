#include <math.h>

#include "base/number.h"
#include "test.h"

static void check(double value, const char *expected)
{
    char text[WR_DOUBLE_TEXT];

    wr_format_double(value, text);
    CHECK_STR(text, expected);
}

TEST(shortest_text)
{
    check(0, "0");
    check(-0.0, "-0");
    check(0.1, "0.1");
    check(0.1 + 0.2, "0.30000000000000004");
    check(120, "120");
    check(-2.5, "-2.5");
    check(1e300, "1e+300");
    check(4.9406564584124654e-324, "4.94065645841247e-324");
    check(9007199254740993.0, "9007199254740992");
}

TEST(what_is_no_number)
{
    check(NAN, "NaN");
    check(INFINITY, "+Inf");
    check(-INFINITY, "-Inf");
}
