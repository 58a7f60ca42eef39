/* What a sandbox may use at a time, with a clock of the test's own. */
#include "server/egress/budget.h"
#include "test.h"

#define SECOND 1000000u

static struct wr_net_budget budget_of(const struct wr_net_limits *limits)
{
    struct wr_net_budget budget;

    wr_net_budget_init(&budget, limits, 5 * SECOND);
    return budget;
}

TEST(connections_open_at_a_time)
{
    struct wr_net_budget b = budget_of(&(struct wr_net_limits){.max_connections = 2});

    CHECK(!wr_net_budget_connect(&b, 5 * SECOND));
    CHECK(!wr_net_budget_connect(&b, 5 * SECOND));
    CHECK_STR(wr_net_budget_connect(&b, 5 * SECOND), "connection limit");
    wr_net_budget_disconnect(&b);
    CHECK(!wr_net_budget_connect(&b, 5 * SECOND));
    CHECK_INT(b.connections, 2);
}

TEST(new_connections_per_second)
{
    struct wr_net_budget b =
        budget_of(&(struct wr_net_limits){.max_connections = 3, .new_per_s = 10});

    for (int i = 0; i < 3; i++) {
        CHECK(!wr_net_budget_connect(&b, 5 * SECOND));
        wr_net_budget_disconnect(&b);
    }
    CHECK_STR(wr_net_budget_connect(&b, 5 * SECOND), "connection rate");
    CHECK_STR(wr_net_budget_connect(&b, 5 * SECOND + 99999), "connection rate");
    CHECK(!wr_net_budget_connect(&b, 5 * SECOND + 100000));
    /* A refusal keeps no place. */
    CHECK_INT(b.connections, 1);
}

TEST(a_long_rest_fills_no_more_than_the_burst)
{
    struct wr_net_budget b =
        budget_of(&(struct wr_net_limits){.max_connections = 100, .dns_per_s = 5});
    uint64_t later = 5 * SECOND + (uint64_t)1000000 * SECOND;
    int granted = 0;

    while (granted < 1000 && wr_net_budget_question(&b, later))
        granted++;
    CHECK_INT(granted, 10);
}

TEST(questions_per_second)
{
    struct wr_net_budget b = budget_of(&(struct wr_net_limits){.dns_per_s = 4});
    int granted = 0;

    /* Ten seconds, asked every millisecond. */
    for (uint64_t us = 0; us < 10 * SECOND; us += 1000)
        granted += wr_net_budget_question(&b, 5 * SECOND + us);
    CHECK(granted >= 8 + 39 && granted <= 8 + 40);
}

TEST(bytes_without_a_limit)
{
    struct wr_net_budget b = budget_of(&(struct wr_net_limits){.max_connections = 1});
    uint64_t wait_ms = 0;

    CHECK_INT(wr_net_budget_bytes(&b, (size_t)1 << 30, 5 * SECOND, &wait_ms), 1 << 30);
    wr_net_budget_return(&b, 5);
}

TEST(bytes_per_second)
{
    struct wr_net_budget b = budget_of(&(struct wr_net_limits){.bytes_per_s = 1000000});
    uint64_t now_us = 5 * SECOND, wait_ms = 0, moved = 0;

    while (now_us < 15 * SECOND) {
        size_t n = wr_net_budget_bytes(&b, 256 * 1024, now_us, &wait_ms);
        CHECK(n > 0 || (wait_ms > 0 && wait_ms <= 1000));
        moved += n;
        if (n == 0)
            now_us += wait_ms * 1000;
    }
    /* Ten seconds and the burst, and at the end at most what had to be waited for. */
    CHECK(moved >= 10 * 1000000 && moved <= 10 * 1000000 + 250000 + 32 * 1024);
}

/* After the time that was named something is there: nobody asks in a loop. */
TEST(waiting_as_told_is_enough)
{
    static const uint64_t rates[] = {1, 100, 65536, 1000000, 12345678901u};

    for (size_t i = 0; i < WR_ARRAY_SIZE(rates); i++) {
        struct wr_net_budget b = budget_of(&(struct wr_net_limits){.bytes_per_s = rates[i]});
        uint64_t wait_ms = 0, now_us = 5 * SECOND;
        while (wr_net_budget_bytes(&b, (size_t)1 << 30, now_us, &wait_ms) > 0)
            continue;
        now_us += wait_ms * 1000;
        size_t n = wr_net_budget_bytes(&b, (size_t)1 << 30, now_us, &wait_ms);
        CHECK(n > 0 || rates[i] < 16384);
    }
}

TEST(unused_bytes_come_back)
{
    struct wr_net_budget b = budget_of(&(struct wr_net_limits){.bytes_per_s = 1000});
    uint64_t wait_ms = 0;

    CHECK_INT(wr_net_budget_bytes(&b, 65536, 5 * SECOND, &wait_ms), 65536);
    CHECK_INT(wr_net_budget_bytes(&b, 100, 5 * SECOND, &wait_ms), 0);
    wr_net_budget_return(&b, 50);
    CHECK_INT(wr_net_budget_bytes(&b, 50, 5 * SECOND, &wait_ms), 50);
    /* Not more than the burst. */
    wr_net_budget_return(&b, (size_t)1 << 40);
    CHECK_INT(wr_net_budget_bytes(&b, (size_t)1 << 30, 5 * SECOND, &wait_ms), 65536);
}

TEST(a_clock_that_goes_back_gives_nothing)
{
    struct wr_net_budget b = budget_of(&(struct wr_net_limits){.dns_per_s = 1});

    CHECK(wr_net_budget_question(&b, 5 * SECOND));
    CHECK(wr_net_budget_question(&b, 5 * SECOND));
    CHECK(!wr_net_budget_question(&b, 1));
    CHECK(!wr_net_budget_question(&b, 5 * SECOND));
    CHECK(wr_net_budget_question(&b, 6 * SECOND));
}

TEST(handshakes_take_turns)
{
    const struct wr_net_limits limits = {.max_connections = 1, .new_per_s = 1};
    const uint64_t start_us = 3600u * 1000000u;
    struct wr_net_budget budget;

    wr_net_budget_init(&budget, &limits, start_us);
    for (unsigned i = 0; i < WR_HANDSHAKES_BURST; i++)
        CHECK_INT(wr_net_budget_handshake(&budget, start_us), 0);
    /* Each of the next ones comes 5 ms later, up to 10 s. */
    CHECK_INT(wr_net_budget_handshake(&budget, start_us), 6);
    CHECK_INT(wr_net_budget_handshake(&budget, start_us), 11);
    for (unsigned i = 0; i < 10000; i++)
        CHECK(wr_net_budget_handshake(&budget, start_us) <= 10001);
    CHECK_INT(wr_net_budget_handshake(&budget, start_us), 10001);
    /* Who has waited long enough starts anew. */
    CHECK_INT(wr_net_budget_handshake(&budget, start_us + 20 * 1000000u), 0);
    /* A clock that has just begun. */
    wr_net_budget_init(&budget, &limits, 0);
    CHECK_INT(wr_net_budget_handshake(&budget, 0), 0);
}
