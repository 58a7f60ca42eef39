#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/compose.h"

struct setting {
    struct fake_primitive generator, executor;
    struct wr_primitive *refine;
};

static void set_up(struct setting *s, unsigned max_attempts)
{
    struct wr_error err = {0};
    s->refine = wr_refine_new(fake_primitive_new(&s->generator), fake_primitive_new(&s->executor),
                              WR_OPTS(wr_refine_opts, .max_attempts = max_attempts), &err);
    CHECK(s->refine);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->refine);
    fake_primitive_done(&s->generator);
    fake_primitive_done(&s->executor);
}

#define FAILED(text)                                           \
    {                                                          \
        .output = "{\"success\":false,\"error\":\"" text "\"}" \
    }

TEST(errors_are_fed_back_until_it_works)
{
    struct setting s = {
        .generator = {FAKE_STEPS({.output = "\"a = \""},
                                 {.output = "{\"code\":\"a = 1\",\"language\":\"python\"}"})},
        .executor = {FAKE_STEPS(FAILED("SyntaxError: x"),
                                {.output = "{\"logs\":\"ok\",\"success\":true}"})}};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    set_up(&s, 0);
    primitive_call(&call, s.refine, "{\"task\":\"t\"}", workflow);
    CHECK_INT(call.r, 0);
    primitive_check_value(
        call.value, "{\"attempts\":2,\"code\":\"a = 1\",\"history\":[{\"attempt\":1,\"code\":"
                    "\"a = \",\"error\":\"SyntaxError: x\"}],\"logs\":\"ok\",\"success\":true}");
    CHECK_STR(fake_primitive_last_input(&s.generator),
              "{\"attempt\":2,\"history\":[{\"attempt\":1,\"code\":\"a = \",\"error\":"
              "\"SyntaxError: x\"}],\"input\":{\"task\":\"t\"}}");
    CHECK_STR(fake_primitive_last_input(&s.executor),
              "{\"code\":\"a = 1\",\"language\":\"python\"}");
    wr_auto_value *history = wr_workflow_get(workflow, "refine_history");
    CHECK_INT(wr_value_count(history), 1);
    primitive_call_done(&call);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(after_the_last_attempt_the_last_error_is_told)
{
    struct setting s = {.generator = {FAKE_STEPS({.output = "\"x\""})},
                        .executor = {FAKE_STEPS(FAILED("NameError: 1"), FAILED("NameError: 2"))}};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    set_up(&s, 2);
    primitive_call(&call, s.refine, "{}", workflow);
    CHECK_INT(call.r, -WR_E_FAILED_PRECONDITION);
    CHECK_STR(call.err.msg, "the code still failed at attempt 2; its last error: NameError: 2");
    CHECK_INT(fake_primitive_calls(&s.generator), 2);
    wr_auto_value *history = wr_workflow_get(workflow, "refine_history");
    CHECK_INT(wr_value_count(history), 2);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(three_attempts_by_default)
{
    struct setting s = {.generator = {FAKE_STEPS({.output = "\"x\""})},
                        .executor = {FAKE_STEPS(FAILED("E: 1"))}};
    set_up(&s, 0);
    CHECK_INT(primitive_call_code(s.refine), WR_E_FAILED_PRECONDITION);
    CHECK_INT(fake_primitive_calls(&s.executor), 3);
    tear_down(&s);
}

TEST(code_that_runs_too_long_is_fed_back)
{
    struct setting s = {.generator = {FAKE_STEPS({.output = "\"x\""})},
                        .executor = {FAKE_STEPS({.code = WR_E_DEADLINE_EXCEEDED, .msg = "too long"},
                                                {.output = "{\"success\":true}"})}};
    struct primitive_call call;
    set_up(&s, 0);
    primitive_call(&call, s.refine, "{}", NULL);
    CHECK_INT(call.r, 0);
    CHECK_STR(wr_value_string(wr_value_at(wr_value_get(call.value, "history"), 0), "error"),
              "TimeoutError: too long");
    primitive_call_done(&call);
    tear_down(&s);
}

TEST(other_errors_end_it)
{
    struct setting s = {.generator = {FAKE_STEPS({.output = "\"x\""}, {.code = WR_E_NOT_FOUND})},
                        .executor = {FAKE_STEPS({.code = WR_E_UNAVAILABLE}, FAILED("E: 1"))}};
    set_up(&s, 0);
    CHECK_INT(primitive_call_code(s.refine), WR_E_UNAVAILABLE);
    CHECK_INT(primitive_call_code(s.refine), WR_E_NOT_FOUND);
    tear_down(&s);
}

TEST(a_generator_that_gives_no_code_is_wrong)
{
    static const char *const outputs[] = {"{}",           "\"\"", "{\"code\":\"\"}",
                                          "{\"code\":5}", "[]",   "null"};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        struct setting s = {.generator = {FAKE_STEPS({.output = outputs[i]})}};
        set_up(&s, 0);
        CHECK_INT(primitive_call_code(s.refine), WR_E_INVALID_ARGUMENT);
        CHECK_INT(fake_primitive_calls(&s.executor), 0);
        tear_down(&s);
    }
}

TEST(a_workflow_that_ends_ends_it)
{
    struct setting s = {.generator = {FAKE_STEPS({.output = "\"x\""})},
                        .executor = {FAKE_STEPS({.blocks = true})}};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    set_up(&s, 0);
    primitive_call_start(&call, s.refine, "{}", workflow);
    fake_primitive_wait_running(&s.executor, 1);
    wr_workflow_cancel(workflow);
    primitive_call_join(&call);
    CHECK_INT(call.r, -WR_E_CANCELED);
    CHECK_INT(fake_primitive_calls(&s.executor), 1);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(bad_ones_free_what_came)
{
    struct fake_primitive fakes[4] = {0};
    struct wr_error err = {0};
    CHECK(!wr_refine_new(NULL, fake_primitive_new(&fakes[0]), NULL, &err));
    CHECK(!wr_refine_new(fake_primitive_new(&fakes[1]), NULL, NULL, &err));
    CHECK_INT(err.code, 0);
    CHECK(!wr_refine_new(fake_primitive_new(&fakes[2]), fake_primitive_new(&fakes[3]),
                         WR_OPTS(wr_refine_opts, .max_attempts = 101), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    for (size_t i = 0; i < 4; i++)
        fake_primitive_done(&fakes[i]);
    struct setting s = {0};
    set_up(&s, 100);
    tear_down(&s);
}
