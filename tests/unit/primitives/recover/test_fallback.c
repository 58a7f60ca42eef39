#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/recovery.h"

struct setting {
    struct fake_primitive first, second;
    struct wr_primitive *fallback;
};

static void set_up(struct setting *s, unsigned classes)
{
    struct wr_error err = {0};
    s->fallback = wr_fallback_new(fake_primitive_new(&s->first), fake_primitive_new(&s->second),
                                  WR_OPTS(wr_fallback_opts, .classes = classes), &err);
    CHECK(s->fallback);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->fallback);
    fake_primitive_done(&s->first);
    fake_primitive_done(&s->second);
}

TEST(the_first_one_is_enough_when_it_works)
{
    struct setting s = {.first = {FAKE_STEPS({.output = "{\"success\":false}"})}};
    set_up(&s, 0);
    CHECK_INT(primitive_call_code(s.fallback), 0);
    CHECK_INT(fake_primitive_calls(&s.second), 0);
    tear_down(&s);
}

TEST(the_second_one_gets_the_same_input)
{
    struct setting s = {.first = {FAKE_STEPS({.code = WR_E_UNAVAILABLE})}};
    struct primitive_call call;
    set_up(&s, 0);
    primitive_call(&call, s.fallback, "{\"code\":\"1+1\"}", NULL);
    CHECK_INT(call.r, 0);
    primitive_check_value(call.value, "{\"code\":\"1+1\"}");
    primitive_call_done(&call);
    CHECK_INT(primitive_stat(s.fallback, "primary"), 0);
    CHECK_INT(primitive_stat(s.fallback, "fallback"), 1);
    CHECK_INT(primitive_stat(s.fallback, "failed"), 0);
    tear_down(&s);
}

TEST(both_errors_are_told)
{
    struct setting s = {
        .first = {FAKE_STEPS({.code = WR_E_UNAVAILABLE, .msg = "no way", .retry_after_ms = 9})},
        .second = {FAKE_STEPS({.code = WR_E_INTERNAL, .msg = "broken"})}};
    struct primitive_call call;
    set_up(&s, 0);
    primitive_call(&call, s.fallback, "{}", NULL);
    CHECK_INT(call.r, -WR_E_UNAVAILABLE);
    CHECK_STR(call.err.msg, "no way; the fallback: broken");
    CHECK_INT(call.err.retry_after_ms, 9);
    CHECK_INT(primitive_stat(s.fallback, "failed"), 1);
    tear_down(&s);
}

TEST(which_errors_lead_to_the_second_one)
{
    static const struct {
        enum wr_code code;
        unsigned classes, calls;
    } rows[] = {
        {WR_E_INVALID_ARGUMENT, 0, 0},
        {WR_E_CANCELED, 0, 0},
        {WR_E_DEADLINE_EXCEEDED, 0, 1},
        {WR_E_RESOURCE_EXHAUSTED, 0, 1},
        {WR_E_PERMISSION_DENIED, 0, 1},
        {WR_E_INTERNAL, 0, 1},
        {WR_E_INTERNAL, WR_CLASS_TIMEOUT, 0},
        {WR_E_DEADLINE_EXCEEDED, WR_CLASS_TIMEOUT, 1},
        {WR_E_INVALID_ARGUMENT, WR_CLASS_INPUT, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct setting s = {.first = {FAKE_STEPS({.code = rows[i].code})}};
        set_up(&s, rows[i].classes);
        CHECK_INT(primitive_call_code(s.fallback), rows[i].calls ? 0 : (int)rows[i].code);
        CHECK_INT(fake_primitive_calls(&s.second), rows[i].calls);
        tear_down(&s);
    }
}

TEST(failed_code_leads_there_only_when_asked_for_and_is_not_lost)
{
    struct setting s = {
        .first = {FAKE_STEPS({.output = "{\"success\":false}"})},
        .second = {FAKE_STEPS({.code = WR_E_UNAVAILABLE}, {.output = "{\"success\":true}"})}};
    struct primitive_call call;
    set_up(&s, WR_CLASS_CODE);
    primitive_call(&call, s.fallback, "{}", NULL);
    CHECK_INT(call.r, 0);
    primitive_check_value(call.value, "{\"success\":false}");
    primitive_call_done(&call);
    primitive_call(&call, s.fallback, "{}", NULL);
    primitive_check_value(call.value, "{\"success\":true}");
    primitive_call_done(&call);
    tear_down(&s);
}

TEST(a_workflow_that_is_over_has_no_second_one)
{
    struct setting s = {.first = {FAKE_STEPS({.blocks = true})}};
    struct wr_error err = {0};
    struct primitive_call call;
    set_up(&s, 0);
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 10), &err);
    primitive_call(&call, s.fallback, "{}", workflow);
    CHECK_INT(call.r, -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(fake_primitive_calls(&s.second), 0);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(what_is_missing_or_wrong_frees_the_rest)
{
    struct fake_primitive a = {0}, b = {0}, c = {0}, d = {0};
    struct wr_error err = {0};
    CHECK(!wr_fallback_new(fake_primitive_new(&a), NULL, NULL, &err));
    CHECK(!wr_fallback_new(NULL, fake_primitive_new(&b), NULL, &err));
    CHECK_INT(err.code, 0);
    CHECK(!wr_fallback_new(fake_primitive_new(&c), fake_primitive_new(&d),
                           WR_OPTS(wr_fallback_opts, .classes = 1U << 20), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    fake_primitive_done(&a);
    fake_primitive_done(&b);
    fake_primitive_done(&c);
    fake_primitive_done(&d);
}
