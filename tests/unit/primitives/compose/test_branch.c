#include "base/error.h"
#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/compose.h"

static int choose_n(const struct wr_value *input, struct wr_workflow *workflow, void *data,
                    struct wr_error *err)
{
    (void)workflow;
    (void)err;
    CHECK_STR(data, "data");
    return (int)wr_value_int(input, "n", -1);
}

struct setting {
    struct fake_primitive fakes[2];
    struct wr_primitive *branch;
};

static void set_up(struct setting *s, wr_branch_fn choose)
{
    static char data[] = "data";
    struct wr_error err = {0};
    struct wr_primitive *branches[] = {fake_primitive_new(&s->fakes[0]),
                                       fake_primitive_new(&s->fakes[1])};
    s->branch = wr_branch(branches, 2, choose, data, &err);
    CHECK(s->branch);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->branch);
    fake_primitive_done(&s->fakes[0]);
    fake_primitive_done(&s->fakes[1]);
}

static void check_call(struct setting *s, const char *input, int code, const char *msg)
{
    struct primitive_call call;
    primitive_call(&call, s->branch, input, NULL);
    CHECK_INT(call.r, -code);
    if (code)
        CHECK_STR(call.err.msg, msg);
    primitive_call_done(&call);
}

TEST(only_the_chosen_one_runs)
{
    struct setting s = {0};
    set_up(&s, choose_n);
    check_call(&s, "{\"n\":1}", 0, NULL);
    check_call(&s, "{\"n\":1}", 0, NULL);
    check_call(&s, "{\"n\":0}", 0, NULL);
    CHECK_INT(fake_primitive_calls(&s.fakes[0]), 1);
    CHECK_INT(fake_primitive_calls(&s.fakes[1]), 2);
    tear_down(&s);
}

TEST(numbers_of_no_branch_are_out_of_range)
{
    struct setting s = {0};
    set_up(&s, choose_n);
    check_call(&s, "{\"n\":2}", WR_E_OUT_OF_RANGE, "branch 2 was chosen of 2");
    check_call(&s, "{\"n\":-2}", WR_E_UNKNOWN, "the choice of a branch failed");
    check_call(&s, "{\"n\":-14}", WR_E_UNAVAILABLE, "the choice of a branch failed");
    check_call(&s, "{\"n\":-99}", WR_E_UNKNOWN, "the choice of a branch failed");
    check_call(&s, "{\"n\":-2147483648}", WR_E_UNKNOWN, "the choice of a branch failed");
    tear_down(&s);
}

static int fail_choosing(const struct wr_value *input, struct wr_workflow *workflow, void *data,
                         struct wr_error *err)
{
    (void)input;
    (void)workflow;
    (void)data;
    return wr_fail(err, WR_E_NOT_FOUND, 0, "nothing fits");
}

TEST(the_function_may_fail)
{
    struct setting s = {0};
    set_up(&s, fail_choosing);
    check_call(&s, "{}", WR_E_NOT_FOUND, "nothing fits");
    tear_down(&s);
}

TEST(bad_ones_free_what_came)
{
    struct fake_primitive a = {0}, b = {0};
    struct wr_error err = {0};
    CHECK(!wr_branch((struct wr_primitive *[]){NULL, fake_primitive_new(&a)}, 2, choose_n, NULL,
                     &err));
    CHECK_INT(err.code, 0);
    CHECK(!wr_branch((struct wr_primitive *[]){fake_primitive_new(&b)}, 1, NULL, NULL, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    fake_primitive_done(&a);
    fake_primitive_done(&b);
}
