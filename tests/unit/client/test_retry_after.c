#include "client/retry_after.h"
#include "test.h"

#define DATE    "Sun, 06 Nov 1994 08:49:37 GMT"
#define DATE_MS 784111777000u

TEST(seconds)
{
    CHECK_INT(wr_retry_after_ms("0", NULL, 0), 0);
    CHECK_INT(wr_retry_after_ms("7", NULL, 0), 7000);
    CHECK_INT(wr_retry_after_ms("3600", NULL, 0), 3600000);
    CHECK_INT(wr_retry_after_ms("3601", NULL, 0), WR_RETRY_AFTER_MAX_MS);
    CHECK_INT(wr_retry_after_ms("99999999999999999999999", NULL, 0), WR_RETRY_AFTER_MAX_MS);
}

TEST(a_date_counts_from_the_answers_own)
{
    CHECK_INT(wr_retry_after_ms("Sun, 06 Nov 1994 08:50:00 GMT", DATE, 0), 23000);
    CHECK_INT(wr_retry_after_ms(DATE, "Sun, 06 Nov 1994 08:50:00 GMT", 0), 0);
    CHECK_INT(wr_retry_after_ms("Mon, 07 Nov 1994 08:49:37 GMT", DATE, 0), WR_RETRY_AFTER_MAX_MS);
}

TEST(a_date_counts_from_the_wall_clock_else)
{
    CHECK_INT(wr_retry_after_ms(DATE, NULL, DATE_MS - 5000u), 5000);
    CHECK_INT(wr_retry_after_ms(DATE, "yesterday", DATE_MS - 5000u), 5000);
    CHECK_INT(wr_retry_after_ms(DATE, NULL, DATE_MS + 5000u), 0);
}

TEST(what_is_neither)
{
    static const char *const texts[] = {
        "",
        "soon",
        "-1",
        "1.5",
        " 5",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 06 ovD 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (wr_retry_after_ms(texts[i], NULL, 0) != 0)
            wr_test_fail(__FILE__, __LINE__, "\"%s\" was taken", texts[i]);
}
