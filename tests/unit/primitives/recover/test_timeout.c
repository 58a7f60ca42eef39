#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/recovery.h"

/* A timeout's time is the real one: what blocks here does so until it is over, and no longer. */
#define SHORT_MS 20
#define LONG_MS  60000

static struct wr_primitive *make(struct fake_primitive *fake, uint64_t timeout_ms,
                                 struct fake_primitive *fallback)
{
    struct wr_error err = {0};
    struct wr_primitive *timeout = wr_timeout_new(
        fake_primitive_new(fake), timeout_ms, fallback ? fake_primitive_new(fallback) : NULL, &err);
    CHECK(timeout);
    return timeout;
}

TEST(what_ends_in_time_passes)
{
    struct fake_primitive fake = {FAKE_STEPS({.output = "{\"n\":1}"}, {.code = WR_E_NOT_FOUND})};
    struct wr_primitive *timeout = make(&fake, LONG_MS, NULL);
    CHECK_INT(primitive_call_code(timeout), 0);
    CHECK_INT(primitive_call_code(timeout), WR_E_NOT_FOUND);
    CHECK_INT(primitive_stat(timeout, "timeouts"), 0);
    wr_primitive_free(timeout);
    fake_primitive_done(&fake);
}

TEST(what_takes_longer_is_cancelled)
{
    struct fake_primitive fake = {FAKE_STEPS({.blocks = true})};
    struct wr_primitive *timeout = make(&fake, SHORT_MS, NULL);
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    struct primitive_call call;
    for (int i = 0; i < 2; i++) {
        primitive_call(&call, timeout, "{}", workflow);
        CHECK_INT(call.r, -WR_E_DEADLINE_EXCEEDED);
        CHECK_STR(call.err.msg, "fake did not end within 0.020 s");
    }
    CHECK_INT(primitive_stat(timeout, "timeouts"), 2);
    wr_auto_value *count = wr_workflow_get(workflow, "timeout_count");
    CHECK_INT(wr_value_int(count, NULL, 0), 2);
    wr_auto_value *history = wr_workflow_get(workflow, "timeout_history");
    CHECK_INT(wr_value_count(history), 2);
    primitive_check_value(wr_value_at(history, 1),
                          "{\"had_fallback\":false,\"primitive\":\"fake\",\"timeout\":0.02}");
    wr_workflow_free(workflow);
    wr_primitive_free(timeout);
    fake_primitive_done(&fake);
}

/* Watches the token only, as many foreign primitives would. */
static int wait_for_token(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                          struct wr_value **ret, struct wr_error *err)
{
    struct fake_clock *clock = self;

    (void)input;
    (void)ret;
    return clock->clock.sleep_until(clock, UINT64_MAX, wr_workflow_wait(workflow, 0).cancel, err);
}

TEST(the_token_is_fired_for_what_knows_no_deadline)
{
    static const struct wr_primitive_ops ops = {.struct_size = sizeof ops,
                                                .execute = wait_for_token};
    struct fake_clock clock;
    struct wr_error err = {0};
    fake_clock_init(&clock, 0, false);
    struct wr_primitive *timeout =
        wr_timeout_new(wr_primitive_new("foreign", &ops, &clock, &err), SHORT_MS, NULL, &err);
    CHECK_INT(primitive_call_code(timeout), WR_E_DEADLINE_EXCEEDED);
    wr_primitive_free(timeout);
    fake_clock_done(&clock);
}

struct late {
    struct fake_clock clock;
    bool called;
};

/* Hears that it should end, and ends well. */
static int be_late(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct late *late = self;
    late->called = true;
    CHECK_INT(wait_for_token(&late->clock, input, workflow, ret, err), -WR_E_CANCELED);
    *ret = wr_value_of_int(1);
    return 0;
}

TEST(a_result_that_comes_late_is_still_one)
{
    static const struct wr_primitive_ops ops = {.struct_size = sizeof ops, .execute = be_late};
    struct late late = {0};
    struct wr_error err = {0};
    fake_clock_init(&late.clock, 0, false);
    /* On a busy machine the time may be over before it has begun. */
    for (uint64_t timeout_ms = SHORT_MS; !late.called; timeout_ms *= 2) {
        struct wr_primitive *timeout =
            wr_timeout_new(wr_primitive_new("late", &ops, &late, &err), timeout_ms, NULL, &err);
        int code = primitive_call_code(timeout);
        CHECK_INT(code, late.called ? 0 : WR_E_DEADLINE_EXCEEDED);
        CHECK_INT(primitive_stat(timeout, "timeouts"), late.called ? 0 : 1);
        wr_primitive_free(timeout);
    }
    fake_clock_done(&late.clock);
}

TEST(the_fallback_takes_its_place)
{
    struct fake_primitive fake = {FAKE_STEPS({.blocks = true})};
    struct fake_primitive other = {FAKE_STEPS({.output = "{\"other\":true}"})};
    struct wr_primitive *timeout = make(&fake, SHORT_MS, &other);
    struct primitive_call call;
    primitive_call(&call, timeout, "{\"a\":1}", NULL);
    CHECK_INT(call.r, 0);
    primitive_check_value(call.value, "{\"other\":true}");
    CHECK_STR(fake_primitive_last_input(&other), "{\"a\":1}");
    CHECK_INT(primitive_stat(timeout, "fallbacks"), 1);
    primitive_call_done(&call);
    wr_primitive_free(timeout);
    fake_primitive_done(&fake);
    fake_primitive_done(&other);
}

TEST(an_inner_timeout_passes_as_it_is)
{
    struct fake_primitive fake = {
        FAKE_STEPS({.code = WR_E_DEADLINE_EXCEEDED, .msg = "the code ran too long"})};
    struct fake_primitive other = {0};
    struct wr_primitive *timeout = make(&fake, LONG_MS, &other);
    struct primitive_call call;
    primitive_call(&call, timeout, "{}", NULL);
    CHECK_INT(call.r, -WR_E_DEADLINE_EXCEEDED);
    CHECK_STR(call.err.msg, "the code ran too long");
    CHECK_INT(fake_primitive_calls(&other), 0);
    wr_primitive_free(timeout);
    fake_primitive_done(&fake);
    fake_primitive_done(&other);
}

TEST(the_end_of_the_workflow_is_not_ours)
{
    struct fake_primitive fake = {FAKE_STEPS({.blocks = true})};
    struct fake_primitive other = {0};
    struct wr_primitive *timeout = make(&fake, LONG_MS, &other);
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = SHORT_MS), &err);
    primitive_call(&call, timeout, "{}", workflow);
    CHECK_INT(call.r, -WR_E_DEADLINE_EXCEEDED);
    wr_workflow_free(workflow);

    workflow = wr_workflow_new(NULL, &err);
    primitive_call_start(&call, timeout, "{}", workflow);
    fake_primitive_wait_running(&fake, 1);
    wr_workflow_cancel(workflow);
    primitive_call_join(&call);
    CHECK_INT(call.r, -WR_E_CANCELED);
    wr_workflow_free(workflow);
    CHECK_INT(primitive_stat(timeout, "timeouts"), 0);
    CHECK_INT(fake_primitive_calls(&other), 0);
    wr_primitive_free(timeout);
    fake_primitive_done(&fake);
    fake_primitive_done(&other);
}

/* Watches the token only, so it ends by the watchdog: but the whole workflow's time was over by
 * then, and nobody has cancelled that. */
TEST(the_end_of_the_workflow_is_no_cancellation)
{
    static const struct wr_primitive_ops ops = {.struct_size = sizeof ops,
                                                .execute = wait_for_token};
    struct fake_clock clock;
    struct wr_error err = {0};
    struct primitive_call call;
    fake_clock_init(&clock, 0, false);
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = SHORT_MS), &err);
    struct wr_primitive *timeout =
        wr_timeout_new(wr_primitive_new("foreign", &ops, &clock, &err), SHORT_MS, NULL, &err);
    primitive_call(&call, timeout, "{}", workflow);
    CHECK_INT(call.r, -WR_E_DEADLINE_EXCEEDED);
    CHECK_STR(call.err.msg, "the workflow's time is over");
    CHECK_INT(primitive_stat(timeout, "timeouts"), 0);
    wr_workflow_free(workflow);
    wr_primitive_free(timeout);
    fake_clock_done(&clock);
}

TEST(many_at_once_each_have_their_time)
{
    enum { COUNT = 16 };
    struct fake_primitive fake = {FAKE_STEPS({.blocks = true})};
    struct wr_primitive *timeout = make(&fake, SHORT_MS, NULL);
    struct primitive_call calls[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        primitive_call_start(&calls[i], timeout, "{}", NULL);
    for (size_t i = 0; i < COUNT; i++) {
        primitive_call_join(&calls[i]);
        CHECK_INT(calls[i].r, -WR_E_DEADLINE_EXCEEDED);
    }
    CHECK_INT(primitive_stat(timeout, "timeouts"), COUNT);
    wr_primitive_free(timeout);
    fake_primitive_done(&fake);
}

TEST(bad_times_free_what_came)
{
    static const uint64_t bad[] = {0, 30ULL * 24 * 3600 * 1000 + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake_primitive fake = {0}, other = {0};
        struct wr_error err = {0};
        CHECK(!wr_timeout_new(fake_primitive_new(&fake), bad[i], fake_primitive_new(&other), &err));
        CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
        fake_primitive_done(&fake);
        fake_primitive_done(&other);
    }
    struct fake_primitive fake = {0}, other = {0};
    struct wr_error err = {0};
    CHECK(!wr_timeout_new(NULL, 1, fake_primitive_new(&other), &err));
    CHECK_INT(err.code, 0);
    fake_primitive_done(&other);
    wr_primitive_free(make(&fake, 30ULL * 24 * 3600 * 1000, NULL));
    fake_primitive_done(&fake);
}
