#include "primitives/limit/window.h"
#include "test.h"

#define PERIOD_MS 3600000 /* buckets of 10 s */

TEST(sums_what_is_within)
{
    struct wr_window window;
    wr_window_init(&window, PERIOD_MS, 5000000);
    CHECK_INT(wr_window_total(&window, 5000000), 0);
    wr_window_add(&window, 5000000, 3);
    wr_window_add(&window, 5000001, 4);
    CHECK_INT(wr_window_total(&window, 5000001), 7);
}

TEST(what_is_older_goes_a_bucket_at_a_time)
{
    struct wr_window window;
    wr_window_init(&window, PERIOD_MS, 0);
    wr_window_add(&window, 9999, 1);
    wr_window_add(&window, 10000, 2);
    CHECK_INT(wr_window_total(&window, PERIOD_MS - 1), 3);
    CHECK_INT(wr_window_total(&window, PERIOD_MS), 2);
    CHECK_INT(wr_window_total(&window, PERIOD_MS + 9999), 2);
    CHECK_INT(wr_window_total(&window, PERIOD_MS + 10000), 0);
}

TEST(a_long_silence_empties_it)
{
    struct wr_window window;
    wr_window_init(&window, PERIOD_MS, 123456);
    for (uint64_t now = 123456; now < 123456 + PERIOD_MS; now += 1000)
        wr_window_add(&window, now, 0.1);
    CHECK(wr_window_total(&window, 123456 + PERIOD_MS) > 350);
    CHECK_INT(wr_window_total(&window, UINT64_MAX / 2) * 1e9, 0);
}

TEST(a_clock_that_goes_back_loses_nothing)
{
    struct wr_window window;
    wr_window_init(&window, PERIOD_MS, 50 * PERIOD_MS);
    wr_window_add(&window, 50 * PERIOD_MS, 1);
    wr_window_add(&window, 10, 2);
    CHECK_INT(wr_window_total(&window, 20), 3);
    CHECK_INT(wr_window_total(&window, 50 * PERIOD_MS + 1), 3);
    CHECK_INT(wr_window_total(&window, 51 * PERIOD_MS), 0);
}

TEST(a_period_shorter_than_its_buckets)
{
    struct wr_window window;
    wr_window_init(&window, 1, 0);
    wr_window_add(&window, 0, 1);
    CHECK_INT(wr_window_total(&window, WR_WINDOW_BUCKETS - 1), 1);
    CHECK_INT(wr_window_total(&window, WR_WINDOW_BUCKETS), 0);
}
