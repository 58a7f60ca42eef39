#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/compose.h"

TEST(the_output_of_each_is_the_input_of_the_next)
{
    struct fake_primitive a = {FAKE_STEPS({.output = "{\"n\":1}"})};
    struct fake_primitive b = {FAKE_STEPS({.output = "{\"n\":2}"})};
    struct fake_primitive c = {0};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_primitive *steps[] = {fake_primitive_new(&a), fake_primitive_new(&b),
                                    fake_primitive_new(&c)};
    struct wr_primitive *seq = wr_seq(steps, 3, &err);
    primitive_call(&call, seq, "{\"n\":0}", NULL);
    CHECK_INT(call.r, 0);
    CHECK_STR(fake_primitive_last_input(&a), "{\"n\":0}");
    CHECK_STR(fake_primitive_last_input(&b), "{\"n\":1}");
    CHECK_STR(fake_primitive_last_input(&c), "{\"n\":2}");
    primitive_check_value(call.value, "{\"n\":2}");
    primitive_call_done(&call);
    wr_primitive_free(seq);
    fake_primitive_done(&a);
    fake_primitive_done(&b);
    fake_primitive_done(&c);
}

TEST(an_error_ends_it)
{
    struct fake_primitive a = {FAKE_STEPS({.code = WR_E_NOT_FOUND, .msg = "gone"})}, b = {0};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_primitive *seq =
        wr_seq((struct wr_primitive *[]){fake_primitive_new(&a), fake_primitive_new(&b)}, 2, &err);
    primitive_call(&call, seq, "{}", NULL);
    CHECK_INT(call.r, -WR_E_NOT_FOUND);
    CHECK_STR(call.err.msg, "gone");
    CHECK_INT(fake_primitive_calls(&b), 0);
    wr_primitive_free(seq);
    fake_primitive_done(&a);
    fake_primitive_done(&b);
}

TEST(a_sequence_that_stands_first_is_flattened)
{
    struct fake_primitive fakes[3] = {0};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_primitive *inner = wr_seq(
        (struct wr_primitive *[]){fake_primitive_new(&fakes[0]), fake_primitive_new(&fakes[1])}, 2,
        &err);
    /* Held by somebody else too: it stays as it is. */
    struct wr_primitive *kept = wr_primitive_ref(inner);
    struct wr_primitive *seq =
        wr_seq((struct wr_primitive *[]){inner, fake_primitive_new(&fakes[2])}, 2, &err);
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    primitive_call(&call, seq, "{}", workflow);
    primitive_call_done(&call);
    static const char *const names[] = {"sequential.step_0.start", "sequential.step_0.end",
                                        "sequential.step_1.start", "sequential.step_1.end",
                                        "sequential.step_2.start", "sequential.step_2.end"};
    wr_auto_value *checkpoints = wr_workflow_checkpoints(workflow);
    CHECK_INT(wr_value_count(checkpoints), 6);
    for (size_t i = 0; i < 6; i++)
        CHECK_STR(wr_value_string(wr_value_at(checkpoints, i), "name"), names[i]);
    wr_workflow_free(workflow);
    wr_primitive_free(seq);
    CHECK_INT(fake_primitive_frees(&fakes[0]), 0);
    CHECK_INT(primitive_call_code(kept), 0);
    wr_primitive_free(kept);
    for (size_t i = 0; i < 3; i++)
        fake_primitive_done(&fakes[i]);
}

TEST(state_is_shared_between_steps)
{
    /* A step that counts in the workflow's state would otherwise begin anew each time. */
    struct fake_primitive a = {0};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_primitive *step = fake_primitive_new(&a);
    struct wr_primitive *timeouts[] = {wr_primitive_ref(step), step};
    struct wr_primitive *seq = wr_seq(timeouts, 2, &err);
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    CHECK_INT(wr_workflow_set(workflow, "k", wr_value_of_int(5), &err), 0);
    primitive_call(&call, seq, "{}", workflow);
    primitive_call_done(&call);
    wr_auto_value *value = wr_workflow_get(workflow, "k");
    CHECK_INT(wr_value_int(value, NULL, 0), 5);
    CHECK_INT(fake_primitive_calls(&a), 2);
    wr_workflow_free(workflow);
    wr_primitive_free(seq);
    fake_primitive_done(&a);
}

TEST(a_missing_step_frees_the_others_and_says_nothing)
{
    for (size_t missing = 0; missing < 3; missing++) {
        struct fake_primitive fakes[3] = {0};
        struct wr_primitive *steps[3] = {0};
        struct wr_error err = {0};
        for (size_t i = 0; i < 3; i++)
            steps[i] = i == missing ? NULL : fake_primitive_new(&fakes[i]);
        CHECK(!wr_seq(steps, 3, &err));
        CHECK_INT(err.code, 0);
        for (size_t i = 0; i < 3; i++)
            if (i != missing)
                fake_primitive_done(&fakes[i]);
    }
}

TEST(nothing_and_too_many_are_refused)
{
    static struct wr_primitive *steps[1025];
    struct fake_primitive fake = {0};
    struct wr_error err = {0};
    CHECK(!wr_seq(NULL, 0, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);

    struct wr_primitive *one = fake_primitive_new(&fake);
    for (size_t i = 0; i < 1025; i++)
        steps[i] = wr_primitive_ref(one);
    CHECK(!wr_seq(steps, 1025, &err));
    CHECK_STR(err.msg, "a sequence of 1025 parts; 1024 is the most");
    for (size_t i = 0; i < 1024; i++)
        steps[i] = wr_primitive_ref(one);
    struct wr_primitive *most = wr_seq(steps, 1024, &err);
    CHECK(most);
    err.code = 0;
    CHECK(!wr_seq((struct wr_primitive *[]){most, wr_primitive_ref(one)}, 2, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    wr_primitive_free(one);
    fake_primitive_done(&fake);
}
