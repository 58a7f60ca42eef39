#include "json/value.h"
#include "primitives/recover/retry.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"

static double next_half(void *self)
{
    (void)self;
    return 0.5;
}

/* Jitter that changes nothing. */
static const struct wr_random half = {.next = next_half};

struct setting {
    struct fake_clock clock;
    struct fake_primitive fake;
    struct wr_primitive *retry;
};

static void set_up(struct setting *s, struct wr_retry_opts opts)
{
    struct wr_error err = {0};

    fake_clock_init(&s->clock, 1000000, true);
    s->fake.clock = &s->clock;
    opts.struct_size = sizeof opts;
    opts.clock = &s->clock.clock;
    s->retry = wr_retry_make(fake_primitive_new(&s->fake), &opts, &half, &err);
    CHECK(s->retry);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->retry);
    fake_primitive_done(&s->fake);
    fake_clock_done(&s->clock);
}

TEST(a_success_is_not_repeated)
{
    struct setting s = {.fake = {FAKE_STEPS({.output = "{\"success\":true}"})}};
    set_up(&s, (struct wr_retry_opts){0});
    CHECK_INT(primitive_call_code(s.retry), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 1);
    CHECK_INT(fake_clock_sleeps(&s.clock), 0);
    CHECK_INT(primitive_stat(s.retry, "attempts"), 1);
    CHECK_INT(primitive_stat(s.retry, "retries"), 0);
    CHECK_INT(primitive_stat(s.retry, "recovered"), 0);
    CHECK_INT(primitive_stat(s.retry, "exhausted"), 0);
    tear_down(&s);
}

TEST(errors_of_the_service_are_repeated_with_growing_pauses)
{
    struct setting s = {
        .fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE}, {.code = WR_E_RESOURCE_EXHAUSTED},
                            {.output = "{\"success\":true}"})}};
    set_up(&s, (struct wr_retry_opts){0});
    CHECK_INT(primitive_call_code(s.retry), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 3);
    CHECK_INT(fake_clock_sleeps(&s.clock), 2);
    CHECK_INT(fake_clock_slept_ms(&s.clock), 1000 + 2000);
    CHECK_INT(primitive_stat(s.retry, "recovered"), 1);
    CHECK_INT(primitive_stat(s.retry, "retries"), 2);
    tear_down(&s);
}

TEST(the_last_error_says_how_many_attempts_there_were)
{
    struct setting s = {
        .fake = {FAKE_STEPS({.code = WR_E_INTERNAL, .msg = "first"},
                            {.code = WR_E_UNAVAILABLE, .msg = "last", .retry_after_ms = 7})}};
    struct primitive_call call;
    set_up(&s, (struct wr_retry_opts){.max_retries = 2});
    primitive_call(&call, s.retry, "{}", NULL);
    CHECK_INT(call.r, -WR_E_UNAVAILABLE);
    CHECK_STR(call.err.msg, "after 3 attempts: last");
    CHECK_INT(call.err.retry_after_ms, 7);
    CHECK_INT(fake_primitive_calls(&s.fake), 3);
    CHECK_INT(primitive_stat(s.retry, "exhausted"), 1);
    tear_down(&s);
}

TEST(the_default_is_three_retries)
{
    struct setting s = {.fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE})}};
    set_up(&s, (struct wr_retry_opts){0});
    CHECK_INT(primitive_call_code(s.retry), WR_E_UNAVAILABLE);
    CHECK_INT(fake_primitive_calls(&s.fake), 4);
    tear_down(&s);
}

TEST(other_classes_are_not_repeated)
{
    static const enum wr_code codes[] = {
        WR_E_INVALID_ARGUMENT, WR_E_DEADLINE_EXCEEDED, WR_E_PERMISSION_DENIED,
        WR_E_UNAUTHENTICATED,  WR_E_CANCELED,          WR_E_FAILED_PRECONDITION,
        WR_E_NOT_FOUND,
    };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct setting s = {.fake = {FAKE_STEPS({.code = codes[i], .msg = "as it was"})}};
        struct primitive_call call;
        set_up(&s, (struct wr_retry_opts){0});
        primitive_call(&call, s.retry, "{}", NULL);
        CHECK_INT(call.r, -(int)codes[i]);
        CHECK_STR(call.err.msg, "as it was");
        CHECK_INT(fake_primitive_calls(&s.fake), 1);
        tear_down(&s);
    }
}

TEST(code_that_fails_is_repeated_only_when_asked_for)
{
    struct setting s = {.fake = {FAKE_STEPS({.output = "{\"success\":false,\"n\":1}"})}};
    set_up(&s, (struct wr_retry_opts){0});
    CHECK_INT(primitive_call_code(s.retry), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 1);
    tear_down(&s);

    struct setting asked = {.fake = {FAKE_STEPS({.output = "{\"success\":false,\"n\":1}"},
                                                {.output = "{\"n\":2,\"success\":false}"})}};
    struct primitive_call call;
    set_up(&asked, (struct wr_retry_opts){.max_retries = 1, .classes = WR_CLASS_CODE});
    primitive_call(&call, asked.retry, "{}", NULL);
    CHECK_INT(call.r, 0);
    primitive_check_value(call.value, "{\"n\":2,\"success\":false}");
    primitive_call_done(&call);
    CHECK_INT(fake_primitive_calls(&asked.fake), 2);
    CHECK_INT(primitive_stat(asked.retry, "exhausted"), 1);
    tear_down(&asked);
}

TEST(a_server_that_says_how_long_is_believed_up_to_the_most)
{
    struct setting s = {
        .fake = {FAKE_STEPS({.code = WR_E_RESOURCE_EXHAUSTED, .retry_after_ms = 250},
                            {.code = WR_E_UNAVAILABLE, .retry_after_ms = 5001}, {.output = "1"})}};
    set_up(&s, (struct wr_retry_opts){.max_delay_ms = 5000});
    CHECK_INT(primitive_call_code(s.retry), 0);
    CHECK_INT(fake_clock_slept_ms(&s.clock), 250 + 5000);
    tear_down(&s);
}

TEST(a_retry_without_room_in_the_time_is_not_begun)
{
    struct setting s = {.fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE, .msg = "away"})}};
    struct wr_error err = {0};
    struct primitive_call call;
    set_up(&s, (struct wr_retry_opts){.delay_ms = 30000});
    /* The workflow's time is the real one's; 20 s are enough for one attempt and not for a pause.
     */
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 20000), &err);
    primitive_call(&call, s.retry, "{}", workflow);
    CHECK_INT(call.r, -WR_E_UNAVAILABLE);
    CHECK_STR(call.err.msg, "away");
    CHECK_INT(fake_clock_sleeps(&s.clock), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 1);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(a_pause_ends_when_the_workflow_is_cancelled)
{
    struct setting s = {.fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE})}};
    struct wr_error err = {0};
    struct primitive_call call;
    set_up(&s, (struct wr_retry_opts){0});
    s.clock.advances = false;
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    primitive_call_start(&call, s.retry, "{}", workflow);
    fake_clock_wait_sleepers(&s.clock, 1);
    wr_workflow_cancel(workflow);
    primitive_call_join(&call);
    CHECK_INT(call.r, -WR_E_CANCELED);
    CHECK_INT(fake_primitive_calls(&s.fake), 1);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(checkpoints_tell_the_course)
{
    struct setting s = {.fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE}, {.output = "1"})}};
    struct wr_error err = {0};
    struct primitive_call call;
    set_up(&s, (struct wr_retry_opts){0});
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    primitive_call(&call, s.retry, "{}", workflow);
    primitive_call_done(&call);
    static const char *const names[] = {"retry.start", "retry.attempt_1", "retry.backoff_1",
                                        "retry.attempt_2", "retry.end"};
    wr_auto_value *checkpoints = wr_workflow_checkpoints(workflow);
    CHECK_INT(wr_value_count(checkpoints), 5);
    for (size_t i = 0; i < 5; i++)
        CHECK_STR(wr_value_string(wr_value_at(checkpoints, i), "name"), names[i]);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(bad_options_free_the_inner_one_once)
{
    const struct wr_retry_opts bad[] = {
        {.struct_size = 0},
        {.struct_size = sizeof *bad, .max_retries = 1001},
        {.struct_size = sizeof *bad, .backoff = (enum wr_backoff)3},
        {.struct_size = sizeof *bad, .factor = 0.99},
        {.struct_size = sizeof *bad, .factor = -1},
        {.struct_size = sizeof *bad, .factor = __builtin_nan("")},
        {.struct_size = sizeof *bad, .factor = __builtin_inf()},
        {.struct_size = sizeof *bad, .delay_ms = 86400001},
        {.struct_size = sizeof *bad, .max_delay_ms = 86400001},
        {.struct_size = sizeof *bad, .classes = 128},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake_primitive fake = {0};
        struct wr_error err = {0};
        CHECK(!wr_retry_new(fake_primitive_new(&fake), &bad[i], &err));
        CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
        CHECK_INT(fake_primitive_frees(&fake), 1);
        fake_primitive_done(&fake);
    }
}

TEST(limits_of_options_are_accepted)
{
    const struct wr_retry_opts good[] = {
        {.struct_size = sizeof *good, .max_retries = 1000},
        {.struct_size = sizeof *good, .factor = 1},
        {.struct_size = sizeof *good, .delay_ms = 86400000, .max_delay_ms = 86400000},
        {.struct_size = sizeof *good, .classes = 127, .backoff = WR_BACKOFF_CONSTANT},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct fake_primitive fake = {0};
        struct wr_error err = {0};
        struct wr_primitive *retry = wr_retry_new(fake_primitive_new(&fake), &good[i], &err);
        CHECK(retry);
        CHECK(!wr_primitive_free(retry));
        fake_primitive_done(&fake);
    }
}

TEST(no_inner_one_is_passed_on_without_an_error)
{
    struct wr_error err = {0};
    CHECK(!wr_retry_new(NULL, NULL, &err));
    CHECK_INT(err.code, 0);
}

TEST(wrappers_around_wrappers_multiply)
{
    struct fake_primitive fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE})};
    struct fake_clock clock;
    struct wr_error err = {0};
    fake_clock_init(&clock, 0, true);
    const struct wr_retry_opts opts = {
        .struct_size = sizeof opts, .max_retries = 1, .clock = &clock.clock};
    struct wr_primitive *retry =
        wr_retry_new(wr_retry_new(fake_primitive_new(&fake), &opts, &err), &opts, &err);
    CHECK_INT(primitive_call_code(retry), WR_E_UNAVAILABLE);
    CHECK_INT(fake_primitive_calls(&fake), 4);
    wr_primitive_free(retry);
    fake_primitive_done(&fake);
    fake_clock_done(&clock);
}
