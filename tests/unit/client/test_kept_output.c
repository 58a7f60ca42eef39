#include "client/kept_output.h"
#include "test.h"

static void check(const char *const *pieces, uint64_t max, const char *text, uint64_t dropped)
{
    struct wr_kept_output output;
    struct wr_error err = {0};

    wr_kept_output_init(&output, max);
    for (; *pieces; pieces++)
        CHECK_INT(wr_kept_output_add(&output, *pieces, strlen(*pieces), NULL, &err), 0);
    struct wr_value *value = wr_kept_output_value(&output);
    CHECK_STR(wr_value_string(value, NULL), text);
    CHECK_INT(output.dropped, dropped);
    wr_value_free(value);
    wr_kept_output_done(&output);
}

TEST(both_sides_of_the_maximum)
{
    check((const char *const[]){NULL}, 10, "", 0);
    check((const char *const[]){"12345", "67890", NULL}, 10, "1234567890", 0);
    check((const char *const[]){"12345", "678901", NULL}, 10, "1234567890", 1);
    /* What comes after a gap would be read as if there was none. */
    check((const char *const[]){"12345", "678901", "", "x", NULL}, 10, "1234567890", 2);
    check((const char *const[]){"1", NULL}, 0, "", 1);
}

TEST(no_half_characters_at_the_cut)
{
    check((const char *const[]){"a\xc3\xa9\xc3\xa9", NULL}, 5, "a\xc3\xa9\xc3\xa9", 0);
    check((const char *const[]){"a\xc3\xa9\xc3\xa9", NULL}, 4, "a\xc3\xa9", 1);
    check((const char *const[]){"a\xf0\x9f\x99\x82", NULL}, 4, "a", 1);
    check((const char *const[]){"a\xf0\x9f\x99\x82", "b", NULL}, 5, "a\xf0\x9f\x99\x82", 1);
    /* Only what was cut is left out; what was wrong before is shown. */
    check((const char *const[]){"\xc3", NULL}, 5, "\xef\xbf\xbd", 0);
    check((const char *const[]){"\xa9\xa9\xa9\xa9\xa9", NULL}, 4,
          "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 1);
}
