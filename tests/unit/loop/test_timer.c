#include "base/clock.h"
#include "loop/loop.h"
#include "test.h"

static struct wr_loop *loop;
static struct wr_error err;
static char fired[64];

static void on_timer(struct wr_timer *timer, void *data)
{
    CHECK(!timer->loop);
    CHECK(wr_loop_now_ms(loop) >= timer->due_ms);
    fired[strlen(fired)] = *(const char *)data;
}

static void start(struct wr_timer *timer, uint64_t delay_ms, char name)
{
    static char names[128];
    names[(unsigned char)name] = name;
    CHECK_INT(wr_timer_start(loop, timer, delay_ms, on_timer, &names[(unsigned char)name], &err),
              0);
}

static void step_for(uint64_t duration_ms)
{
    uint64_t end = wr_mono_ms() + duration_ms;
    for (uint64_t now = wr_mono_ms(); now <= end; now = wr_mono_ms())
        CHECK_INT(wr_loop_step(loop, (int)(end - now) + 1, &err), 0);
}

TEST(order_stop_and_restart)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_timer a = {0}, b = {0}, c = {0}, d = {0}, never = {0};
    wr_timer_stop(&a);
    start(&a, 30, 'a');
    start(&b, 10, 'b');
    start(&c, 20, 'c');
    start(&d, 5, 'd');
    start(&never, UINT64_MAX, 'n');
    wr_timer_stop(&c);
    wr_timer_stop(&c);
    start(&d, 40, 'D'); /* later, under another name */
    step_for(60);
    CHECK_STR(fired, "baD");
    wr_timer_stop(&never);
    loop = wr_loop_free(loop);
}

TEST(same_time_fires_in_order_of_arming)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_timer t[8] = {0};
    static const char names[] = "abcdefgh";
    for (int i = 0; i < 8; i++) {
        start(&t[i], 0, names[i]);
        CHECK(t[i].due_ms <= wr_mono_ms());
    }
    CHECK_INT(wr_loop_step(loop, -1, &err), 0);
    CHECK_STR(fired, "abcdefgh");
    loop = wr_loop_free(loop);
}

TEST(never_early)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    for (uint64_t delay_ms = 1; delay_ms < 12; delay_ms++) {
        struct wr_timer t = {0};
        uint64_t begin_us = wr_mono_us();
        start(&t, delay_ms, 'x');
        while (t.loop)
            CHECK_INT(wr_loop_step(loop, -1, &err), 0);
        CHECK(wr_mono_us() - begin_us >= delay_ms * 1000);
    }
    loop = wr_loop_free(loop);
}

static int rounds;

static void rearm(struct wr_timer *timer, void *data)
{
    rounds++;
    CHECK_INT(wr_timer_start(loop, timer, 0, rearm, data, &err), 0);
}

/* A timer without delay that arms itself again must let the round end. */
TEST(rearming_in_the_callback_waits_for_the_next_round)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_timer t = {0};
    CHECK_INT(wr_timer_start(loop, &t, 0, rearm, NULL, &err), 0);
    CHECK_INT(wr_loop_step(loop, -1, &err), 0);
    CHECK_INT(rounds, 1);
    CHECK_INT(wr_loop_step(loop, -1, &err), 0);
    CHECK_INT(rounds, 2);
    loop = wr_loop_free(loop);
    CHECK(!t.loop);
}

static void stop_other(struct wr_timer *timer WR_UNUSED, void *data)
{
    wr_timer_stop(data);
}

TEST(a_timer_may_stop_another_that_is_due)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_timer a = {0}, b = {0};
    CHECK_INT(wr_timer_start(loop, &a, 0, stop_other, &b, &err), 0);
    start(&b, 0, 'b');
    CHECK_INT(wr_loop_step(loop, -1, &err), 0);
    CHECK_INT(wr_loop_step(loop, 0, &err), 0);
    CHECK_STR(fired, "");
    loop = wr_loop_free(loop);
}

static uint64_t last_due_ms, last_order;
static int count;

static void check_order(struct wr_timer *timer, void *data WR_UNUSED)
{
    CHECK(timer->due_ms > last_due_ms ||
          (timer->due_ms == last_due_ms && timer->order > last_order));
    last_due_ms = timer->due_ms;
    last_order = timer->order;
    count++;
}

/* Many timers in a pseudo-random order, a third of them stopped again. */
TEST(heap_order)
{
    enum { COUNT = 3000 };
    static struct wr_timer t[COUNT];
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    unsigned int seed = 1;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 1103515245 + 12345;
        CHECK_INT(wr_timer_start(loop, &t[i], 20 + (seed >> 16) % 50, check_order, NULL, &err), 0);
    }
    for (int i = 0; i < COUNT; i += 3)
        wr_timer_stop(&t[i * 7 % COUNT]);
    int armed = 0;
    for (int i = 0; i < COUNT; i++)
        armed += t[i].loop != NULL;
    CHECK(armed < COUNT);
    step_for(100);
    CHECK_INT(count, armed);
    loop = wr_loop_free(loop);
}

TEST(wait_ends_at_the_timeout_before_the_timer)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    struct wr_timer t = {0};
    start(&t, 60000, 't');
    uint64_t begin_ms = wr_mono_ms();
    CHECK_INT(wr_loop_step(loop, 10, &err), 0);
    CHECK(wr_mono_ms() - begin_ms < 10000);
    CHECK(t.loop);
    loop = wr_loop_free(loop);
}
