#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/recovery.h"

struct setting {
    struct fake_clock clock;
    struct fake_primitive fake;
    struct wr_primitive *breaker;
};

static void set_up(struct setting *s, struct wr_breaker_opts opts)
{
    struct wr_error err = {0};

    fake_clock_init(&s->clock, 1000000, false);
    opts.struct_size = sizeof opts;
    opts.clock = &s->clock.clock;
    s->fake.clock = &s->clock;
    s->breaker = wr_breaker_new(fake_primitive_new(&s->fake), &opts, &err);
    CHECK(s->breaker);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->breaker);
    fake_primitive_done(&s->fake);
    fake_clock_done(&s->clock);
}

static void call_times(struct setting *s, int times, int code)
{
    for (int i = 0; i < times; i++)
        CHECK_INT(primitive_call_code(s->breaker), code);
}

#define FAILURE                                  \
    {                                            \
        .code = WR_E_INTERNAL, .msg = "it broke" \
    }
#define SUCCESS                        \
    {                                  \
        .output = "{\"success\":true}" \
    }

TEST(five_failures_in_a_row_open_it)
{
    struct setting s = {.fake = {FAKE_STEPS(FAILURE)}};
    struct primitive_call call;
    set_up(&s, (struct wr_breaker_opts){0});
    call_times(&s, 4, WR_E_INTERNAL);
    primitive_check_stat(s.breaker, "state", "closed");
    call_times(&s, 1, WR_E_INTERNAL);
    primitive_check_stat(s.breaker, "state", "open");
    CHECK_INT(fake_primitive_calls(&s.fake), 5);
    fake_clock_advance(&s.clock, 1);
    primitive_call(&call, s.breaker, "{}", NULL);
    CHECK_INT(call.r, -WR_E_UNAVAILABLE);
    CHECK_STR(call.err.msg, "the circuit breaker is open after 5 failures: it broke");
    CHECK_INT(call.err.retry_after_ms, 59999);
    CHECK_INT(fake_primitive_calls(&s.fake), 5);
    CHECK_INT(primitive_stat(s.breaker, "opened"), 1);
    CHECK_INT(primitive_stat(s.breaker, "rejected"), 1);
    CHECK_INT(primitive_stat(s.breaker, "failure_count"), 5);
    tear_down(&s);
}

TEST(a_success_between_begins_anew)
{
    struct setting s = {.fake = {FAKE_STEPS(FAILURE, SUCCESS, FAILURE)}};
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 2});
    call_times(&s, 1, WR_E_INTERNAL);
    call_times(&s, 1, 0);
    call_times(&s, 1, WR_E_INTERNAL);
    primitive_check_stat(s.breaker, "state", "closed");
    call_times(&s, 1, WR_E_INTERNAL);
    primitive_check_stat(s.breaker, "state", "open");
    tear_down(&s);
}

TEST(it_closes_after_two_good_probes)
{
    struct setting s = {.fake = {FAKE_STEPS(FAILURE, SUCCESS)}};
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1, .recovery_timeout_ms = 1000});
    call_times(&s, 1, WR_E_INTERNAL);
    fake_clock_advance(&s.clock, 999);
    call_times(&s, 1, WR_E_UNAVAILABLE);
    fake_clock_advance(&s.clock, 1);
    call_times(&s, 1, 0);
    primitive_check_stat(s.breaker, "state", "half_open");
    CHECK_INT(primitive_stat(s.breaker, "success_count"), 1);
    call_times(&s, 1, 0);
    primitive_check_stat(s.breaker, "state", "closed");
    CHECK_INT(primitive_stat(s.breaker, "failure_count"), 0);
    tear_down(&s);
}

TEST(a_bad_probe_opens_it_again_for_the_whole_time)
{
    struct setting s = {.fake = {FAKE_STEPS(FAILURE, SUCCESS, FAILURE, SUCCESS)}};
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1, .recovery_timeout_ms = 1000});
    call_times(&s, 1, WR_E_INTERNAL);
    fake_clock_advance(&s.clock, 1000);
    call_times(&s, 1, 0);
    call_times(&s, 1, WR_E_INTERNAL);
    primitive_check_stat(s.breaker, "state", "open");
    CHECK_INT(primitive_stat(s.breaker, "opened"), 2);
    fake_clock_advance(&s.clock, 999);
    call_times(&s, 1, WR_E_UNAVAILABLE);
    fake_clock_advance(&s.clock, 1);
    call_times(&s, 2, 0);
    primitive_check_stat(s.breaker, "state", "closed");
    tear_down(&s);
}

TEST(one_probe_at_a_time)
{
    struct setting s = {
        .fake = {FAKE_STEPS(FAILURE, {.blocks = true, .output = "{\"success\":true}"}, SUCCESS)}};
    struct primitive_call probe, other;
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1, .recovery_timeout_ms = 5000});
    call_times(&s, 1, WR_E_INTERNAL);
    fake_clock_advance(&s.clock, 5000);
    primitive_call_start(&probe, s.breaker, "{}", NULL);
    fake_primitive_wait_running(&s.fake, 1);
    for (int i = 0; i < 5; i++) {
        primitive_call(&other, s.breaker, "{}", NULL);
        CHECK_INT(other.r, -WR_E_UNAVAILABLE);
        CHECK_INT(other.err.retry_after_ms, 1000);
    }
    fake_primitive_open(&s.fake);
    primitive_call_join(&probe);
    primitive_call_done(&probe);
    CHECK_INT(probe.r, 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 2);
    call_times(&s, 1, 0);
    primitive_check_stat(s.breaker, "state", "closed");
    CHECK_INT(primitive_stat(s.breaker, "rejected"), 5);
    tear_down(&s);
}

TEST(a_cancelled_probe_gives_its_place_back_and_counts_as_nothing)
{
    struct setting s = {.fake = {FAKE_STEPS(FAILURE, {.blocks = true}, SUCCESS)}};
    struct wr_error err = {0};
    struct primitive_call probe;
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1, .recovery_timeout_ms = 1});
    call_times(&s, 1, WR_E_INTERNAL);
    fake_clock_advance(&s.clock, 1);
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    primitive_call_start(&probe, s.breaker, "{}", workflow);
    fake_primitive_wait_running(&s.fake, 1);
    wr_workflow_cancel(workflow);
    primitive_call_join(&probe);
    CHECK_INT(probe.r, -WR_E_CANCELED);
    wr_workflow_free(workflow);
    primitive_check_stat(s.breaker, "state", "half_open");
    CHECK_INT(primitive_stat(s.breaker, "success_count"), 0);
    call_times(&s, 2, 0);
    primitive_check_stat(s.breaker, "state", "closed");
    tear_down(&s);
}

TEST(a_call_from_before_says_nothing_about_now)
{
    struct setting s = {.fake = {FAKE_STEPS({.blocks = true, .output = "1"}, FAILURE, SUCCESS)}};
    struct primitive_call slow;
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1, .recovery_timeout_ms = 1});
    primitive_call_start(&slow, s.breaker, "{}", NULL);
    fake_primitive_wait_running(&s.fake, 1);
    call_times(&s, 1, WR_E_INTERNAL);
    fake_clock_advance(&s.clock, 1);
    call_times(&s, 1, 0);
    fake_primitive_open(&s.fake);
    primitive_call_join(&slow);
    primitive_call_done(&slow);
    CHECK_INT(primitive_stat(s.breaker, "success_count"), 1);
    primitive_check_stat(s.breaker, "state", "half_open");
    tear_down(&s);
}

TEST(which_errors_count)
{
    static const struct {
        enum wr_code code;
        unsigned classes;
        bool opens;
    } rows[] = {
        {WR_E_INTERNAL, 0, true},
        {WR_E_RESOURCE_EXHAUSTED, 0, true},
        {WR_E_DEADLINE_EXCEEDED, 0, true},
        {WR_E_INVALID_ARGUMENT, 0, false},
        {WR_E_PERMISSION_DENIED, 0, false},
        {WR_E_CANCELED, 0, false},
        {WR_E_INTERNAL, WR_CLASS_ACCESS, false},
        {WR_E_PERMISSION_DENIED, WR_CLASS_ACCESS, true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct setting s = {.fake = {FAKE_STEPS({.code = rows[i].code})}};
        set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1, .classes = rows[i].classes});
        call_times(&s, 1, (int)rows[i].code);
        primitive_check_stat(s.breaker, "state", rows[i].opens ? "open" : "closed");
        tear_down(&s);
    }
}

TEST(code_that_fails_counts_when_asked_for)
{
    struct setting s = {.fake = {FAKE_STEPS({.output = "{\"success\":false,\"error\":\"E: x\"}"})}};
    struct primitive_call call;
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 2, .classes = WR_CLASS_CODE});
    call_times(&s, 2, 0);
    primitive_call(&call, s.breaker, "{}", NULL);
    CHECK_STR(call.err.msg, "the circuit breaker is open after 2 failures: E: x");
    tear_down(&s);
}

TEST(a_clock_that_goes_back_does_not_lock_it_up)
{
    struct setting s = {.fake = {FAKE_STEPS(FAILURE, SUCCESS)}};
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1, .recovery_timeout_ms = 1000});
    call_times(&s, 1, WR_E_INTERNAL);
    fake_clock_set(&s.clock, 10);
    call_times(&s, 1, WR_E_UNAVAILABLE);
    fake_clock_advance(&s.clock, 999);
    call_times(&s, 1, WR_E_UNAVAILABLE);
    fake_clock_advance(&s.clock, 1);
    call_times(&s, 1, 0);
    tear_down(&s);
}

TEST(reset_closes_it)
{
    struct setting s = {.fake = {FAKE_STEPS(FAILURE, SUCCESS)}};
    struct wr_error err = {0};
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 1});
    call_times(&s, 1, WR_E_INTERNAL);
    CHECK_INT(wr_breaker_reset(s.breaker, &err), 0);
    primitive_check_stat(s.breaker, "state", "closed");
    call_times(&s, 1, 0);
    tear_down(&s);

    struct fake_primitive fake = {0};
    struct wr_primitive *foreign = fake_primitive_new(&fake);
    CHECK_INT(wr_breaker_reset(foreign, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_breaker_reset(NULL, &err), -WR_E_INVALID_ARGUMENT);
    wr_primitive_free(foreign);
    fake_primitive_done(&fake);
}

static void *hammer(void *data)
{
    for (int i = 0; i < 500; i++)
        (void)primitive_call_code(data);
    return NULL;
}

TEST(many_threads_and_never_two_probes)
{
    enum { THREADS = 4 };
    struct setting s = {.fake = {FAKE_STEPS(FAILURE)}};
    pthread_t threads[THREADS];
    /* As the time stands still it is open from the third failure on, and each rejection counts. */
    set_up(&s, (struct wr_breaker_opts){.failure_threshold = 3});
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, s.breaker), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    unsigned calls = fake_primitive_calls(&s.fake);
    CHECK(calls >= 3 && calls < 3 + THREADS);
    CHECK_INT(primitive_stat(s.breaker, "rejected"), THREADS * 500 - (long)calls);
    tear_down(&s);
}

TEST(bad_options_free_the_inner_one)
{
    struct fake_primitive fake = {0};
    struct wr_error err = {0};
    CHECK(
        !wr_breaker_new(fake_primitive_new(&fake), WR_OPTS(wr_breaker_opts, .classes = 256), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    fake_primitive_done(&fake);
    err.code = 0;
    CHECK(!wr_breaker_new(NULL, NULL, &err));
    CHECK_INT(err.code, 0);
}
