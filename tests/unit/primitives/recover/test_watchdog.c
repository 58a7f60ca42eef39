#include <poll.h>

#include "primitives/recover/watchdog.h"
#include "test.h"

/* Returns when the token has fired; the test's own alarm bounds it. */
static void wait_fired(const struct wr_cancel *cancel)
{
    struct pollfd fd = {.fd = wr_cancel_fd(cancel), .events = POLLIN};
    CHECK_INT(poll(&fd, 1, -1), 1);
    CHECK(wr_cancel_fired(cancel));
}

TEST(tokens_are_fired_each_at_its_time)
{
    struct wr_error err = {0};
    struct wr_watchdog *dog = wr_watchdog_new(&err);
    struct wr_cancel *soon = wr_cancel_new(NULL, &err), *late = wr_cancel_new(NULL, &err);
    struct wr_watch a, b;
    /* The later one first: the thread has to wake up for the sooner one. */
    CHECK_INT(wr_watchdog_arm(dog, &a, late, 3600000, &err), 0);
    CHECK_INT(wr_watchdog_arm(dog, &b, soon, 5, &err), 0);
    wait_fired(soon);
    CHECK(!wr_cancel_fired(late));
    wr_watchdog_disarm(dog, &a);
    wr_watchdog_disarm(dog, &b);
    wr_cancel_free(soon);
    wr_cancel_free(late);
    wr_watchdog_free(dog);
}

/* Whether `first`, disarmed before its time, was left alone until `second` has fired. */
static bool left_alone(struct wr_watchdog *dog, uint64_t delay_ms)
{
    struct wr_error err = {0};
    struct wr_cancel *first = wr_cancel_new(NULL, &err), *second = wr_cancel_new(NULL, &err);
    struct wr_watch a, b;

    CHECK_INT(wr_watchdog_arm(dog, &a, first, delay_ms, &err), 0);
    wr_watchdog_disarm(dog, &a);
    bool in_time = !wr_cancel_fired(first);
    CHECK_INT(wr_watchdog_arm(dog, &b, second, 2 * delay_ms, &err), 0);
    wait_fired(second);
    CHECK(!in_time || !wr_cancel_fired(first));
    wr_watchdog_disarm(dog, &b);
    wr_cancel_free(first);
    wr_cancel_free(second);
    return in_time;
}

TEST(what_was_disarmed_is_left_alone)
{
    struct wr_error err = {0};
    struct wr_watchdog *dog = wr_watchdog_new(&err);
    /* On a busy machine the time may be over before it was disarmed. */
    for (uint64_t delay_ms = 5; !left_alone(dog, delay_ms);)
        delay_ms *= 2;
    wr_watchdog_free(dog);
}

TEST(one_that_never_watched_has_no_thread_to_end)
{
    struct wr_error err = {0};
    CHECK(!wr_watchdog_free(wr_watchdog_new(&err)));
    CHECK(!wr_watchdog_free(NULL));
}
