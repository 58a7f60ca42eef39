#include "primitives/recover/backoff.h"
#include "test.h"

static const struct wr_backoff_policy exponential = {
    .kind = WR_BACKOFF_EXPONENTIAL, .delay_ms = 1000, .factor = 2, .max_delay_ms = 60000};

TEST(exponential_doubles_until_the_most)
{
    static const uint64_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++)
        CHECK_INT(wr_backoff_delay_ms(&exponential, i, 0), expected[i]);
    CHECK_INT(wr_backoff_delay_ms(&exponential, 1000000, 0), 60000);
}

TEST(a_factor_of_one_stays)
{
    struct wr_backoff_policy policy = exponential;
    policy.factor = 1;
    CHECK_INT(wr_backoff_delay_ms(&policy, 1000000000, 0), 1000);
}

TEST(linear_adds_and_constant_stays)
{
    struct wr_backoff_policy policy = exponential;
    policy.kind = WR_BACKOFF_LINEAR;
    CHECK_INT(wr_backoff_delay_ms(&policy, 0, 0), 1000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 2, 0), 3000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 59, 0), 60000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 60, 0), 60000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 4294967295U, 0), 60000);
    policy.kind = WR_BACKOFF_CONSTANT;
    CHECK_INT(wr_backoff_delay_ms(&policy, 0, 0), 1000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 50, 0), 1000);
}

TEST(jitter_is_half_to_one_and_a_half_and_never_above_the_most)
{
    struct wr_backoff_policy policy = exponential;
    policy.jitter = true;
    CHECK_INT(wr_backoff_delay_ms(&policy, 1, 0), 1000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 1, 0.5), 2000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 1, 0.9995), 2999);
    CHECK_INT(wr_backoff_delay_ms(&policy, 20, 0), 30000);
    CHECK_INT(wr_backoff_delay_ms(&policy, 20, 0.9995), 60000);
}

TEST(the_first_delay_is_within_the_most_too)
{
    struct wr_backoff_policy policy = exponential;
    policy.max_delay_ms = 10;
    CHECK_INT(wr_backoff_delay_ms(&policy, 0, 0), 10);
}

TEST(random_numbers_are_within_their_range_and_differ)
{
    double least = 1, most = 0;
    for (int i = 0; i < 1000; i++) {
        double x = wr_system_random.next(wr_system_random.self);
        CHECK(x >= 0 && x < 1);
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    /* The chance that this fails is about 10^-43. */
    CHECK(least < 0.1 && most > 0.9);
}
