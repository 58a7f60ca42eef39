#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/limits.h"

struct setting {
    struct fake_clock clock;
    struct fake_primitive fake;
    struct wr_primitive *rate;
};

static void set_up(struct setting *s, struct wr_rate_opts opts)
{
    struct wr_error err = {0};

    fake_clock_init(&s->clock, 1000000, false);
    opts.struct_size = sizeof opts;
    opts.clock = &s->clock.clock;
    s->rate = wr_rate_limit_new(fake_primitive_new(&s->fake), &opts, &err);
    CHECK(s->rate);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->rate);
    fake_primitive_done(&s->fake);
    fake_clock_done(&s->clock);
}

TEST(a_burst_and_then_no_more)
{
    struct setting s = {0};
    struct primitive_call call;
    set_up(&s, (struct wr_rate_opts){.per_second = 2, .burst = 3});
    for (int i = 0; i < 3; i++)
        CHECK_INT(primitive_call_code(s.rate), 0);
    primitive_call(&call, s.rate, "{}", NULL);
    CHECK_INT(call.r, -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(call.err.retry_after_ms, 500);
    CHECK_INT(fake_primitive_calls(&s.fake), 3);
    fake_clock_advance(&s.clock, 499);
    CHECK_INT(primitive_call_code(s.rate), WR_E_RESOURCE_EXHAUSTED);
    fake_clock_advance(&s.clock, 1);
    CHECK_INT(primitive_call_code(s.rate), 0);
    CHECK_INT(primitive_call_code(s.rate), WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(primitive_stat(s.rate, "allowed"), 4);
    CHECK_INT(primitive_stat(s.rate, "refused"), 3);
    CHECK_INT(primitive_stat(s.rate, "delayed"), 0);
    tear_down(&s);
}

TEST(the_bucket_is_never_fuller_than_a_burst)
{
    struct setting s = {0};
    set_up(&s, (struct wr_rate_opts){.per_second = 10, .burst = 2});
    fake_clock_advance(&s.clock, 3600000);
    CHECK_INT(primitive_call_code(s.rate), 0);
    CHECK_INT(primitive_call_code(s.rate), 0);
    CHECK_INT(primitive_call_code(s.rate), WR_E_RESOURCE_EXHAUSTED);
    tear_down(&s);
}

TEST(the_default_burst_is_one_second_and_one_at_least)
{
    struct setting s = {0}, slow = {0};
    set_up(&s, (struct wr_rate_opts){.per_second = 2.5});
    for (int i = 0; i < 3; i++)
        CHECK_INT(primitive_call_code(s.rate), 0);
    CHECK_INT(primitive_call_code(s.rate), WR_E_RESOURCE_EXHAUSTED);
    tear_down(&s);
    set_up(&slow, (struct wr_rate_opts){.per_second = 0.1});
    CHECK_INT(primitive_call_code(slow.rate), 0);
    CHECK_INT(primitive_call_code(slow.rate), WR_E_RESOURCE_EXHAUSTED);
    fake_clock_advance(&slow.clock, 10000);
    CHECK_INT(primitive_call_code(slow.rate), 0);
    tear_down(&slow);
}

TEST(waiting_is_first_come_first_served)
{
    enum { COUNT = 5 };
    static const char *const inputs[COUNT] = {"[0]", "[1]", "[2]", "[3]", "[4]"};
    struct setting s = {0};
    struct primitive_call calls[COUNT];
    set_up(&s, (struct wr_rate_opts){.per_second = 1, .burst = 1, .max_wait_ms = 60000});
    CHECK_INT(primitive_call_code(s.rate), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        primitive_call_start(&calls[i], s.rate, inputs[i], NULL);
        fake_clock_wait_sleepers(&s.clock, i + 1);
    }
    for (size_t i = 0; i < COUNT; i++) {
        fake_clock_advance(&s.clock, 999);
        CHECK_INT(fake_primitive_calls(&s.fake), 1 + i);
        fake_clock_advance(&s.clock, 1);
        primitive_call_join(&calls[i]);
        CHECK_INT(calls[i].r, 0);
        primitive_call_done(&calls[i]);
        CHECK_STR(fake_primitive_last_input(&s.fake), inputs[i]);
    }
    CHECK_INT(primitive_stat(s.rate, "delayed"), COUNT);
    CHECK_INT(primitive_stat(s.rate, "allowed"), COUNT + 1);
    tear_down(&s);
}

TEST(nobody_waits_longer_than_allowed)
{
    struct setting s = {0};
    struct primitive_call first, second;
    set_up(&s, (struct wr_rate_opts){.per_second = 1, .burst = 1, .max_wait_ms = 1000});
    CHECK_INT(primitive_call_code(s.rate), 0);
    primitive_call_start(&first, s.rate, "{}", NULL);
    fake_clock_wait_sleepers(&s.clock, 1);
    primitive_call(&second, s.rate, "{}", NULL);
    CHECK_INT(second.r, -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(second.err.retry_after_ms, 2000);
    fake_clock_advance(&s.clock, 1000);
    primitive_call_join(&first);
    primitive_call_done(&first);
    CHECK_INT(first.r, 0);
    tear_down(&s);
}

TEST(one_that_leaves_lets_the_others_move_up)
{
    struct setting s = {0};
    struct wr_error err = {0};
    struct primitive_call first, second, third;
    set_up(&s, (struct wr_rate_opts){.per_second = 1, .burst = 1, .max_wait_ms = 2000});
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    CHECK_INT(primitive_call_code(s.rate), 0);
    primitive_call_start(&first, s.rate, "{}", workflow);
    fake_clock_wait_sleepers(&s.clock, 1);
    primitive_call_start(&second, s.rate, "{}", NULL);
    fake_clock_wait_sleepers(&s.clock, 2);
    CHECK_INT(primitive_call_code(s.rate), WR_E_RESOURCE_EXHAUSTED);
    wr_workflow_cancel(workflow);
    primitive_call_join(&first);
    CHECK_INT(first.r, -WR_E_CANCELED);
    primitive_call_start(&third, s.rate, "{}", NULL);
    fake_clock_wait_sleepers(&s.clock, 2);
    fake_clock_advance(&s.clock, 2000);
    primitive_call_join(&second);
    primitive_call_join(&third);
    CHECK(second.r == 0 && third.r == 0);
    primitive_call_done(&second);
    primitive_call_done(&third);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(a_turn_after_the_end_of_the_workflow_is_none)
{
    struct setting s = {0};
    struct wr_error err = {0};
    struct primitive_call call;
    set_up(&s, (struct wr_rate_opts){.per_second = 0.01, .burst = 1, .max_wait_ms = 3600000});
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 60000), &err);
    CHECK_INT(primitive_call_code(s.rate), 0);
    primitive_call(&call, s.rate, "{}", workflow);
    CHECK_INT(call.r, -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(call.err.retry_after_ms, 100000);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(a_clock_that_goes_back_gives_nothing_and_locks_nothing)
{
    struct setting s = {0};
    set_up(&s, (struct wr_rate_opts){.per_second = 1, .burst = 1});
    CHECK_INT(primitive_call_code(s.rate), 0);
    fake_clock_set(&s.clock, 10);
    CHECK_INT(primitive_call_code(s.rate), WR_E_RESOURCE_EXHAUSTED);
    fake_clock_advance(&s.clock, 1000);
    CHECK_INT(primitive_call_code(s.rate), 0);
    tear_down(&s);
}

static void *hammer(void *data)
{
    for (int i = 0; i < 200; i++)
        (void)primitive_call_code(data);
    return NULL;
}

TEST(many_threads_get_exactly_the_burst)
{
    enum { THREADS = 4 };
    struct setting s = {0};
    pthread_t threads[THREADS];
    set_up(&s, (struct wr_rate_opts){.per_second = 1, .burst = 100});
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, s.rate), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 100);
    CHECK_INT(primitive_stat(s.rate, "refused"), THREADS * 200 - 100);
    tear_down(&s);
}

TEST(bad_options_free_the_inner_one)
{
    const struct wr_rate_opts bad[] = {
        {.struct_size = sizeof *bad},
        {.struct_size = sizeof *bad, .per_second = -1},
        {.struct_size = sizeof *bad, .per_second = __builtin_nan("")},
        {.struct_size = sizeof *bad, .per_second = 1000001},
        {.struct_size = sizeof *bad, .per_second = 9e-7},
        {.struct_size = sizeof *bad, .per_second = 1, .max_wait_ms = 86400001},
        {.per_second = 1},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake_primitive fake = {0};
        struct wr_error err = {0};
        CHECK(!wr_rate_limit_new(fake_primitive_new(&fake), &bad[i], &err));
        CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
        fake_primitive_done(&fake);
    }
    struct fake_primitive fake = {0};
    struct wr_error err = {0};
    CHECK(!wr_rate_limit_new(fake_primitive_new(&fake), NULL, &err));
    fake_primitive_done(&fake);
    struct setting good = {0}, slowest = {0};
    set_up(&good, (struct wr_rate_opts){.per_second = 1000000, .max_wait_ms = 86400000});
    tear_down(&good);
    set_up(&slowest, (struct wr_rate_opts){.per_second = 1e-6});
    tear_down(&slowest);
}
