#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/compose.h"

#define MOST 16

struct setting {
    struct fake_primitive fakes[MOST];
    size_t count;
    struct wr_primitive *parallel;
};

static void set_up(struct setting *s, size_t count, struct wr_parallel_opts opts)
{
    struct wr_primitive *branches[MOST];
    struct wr_error err = {0};

    s->count = count;
    opts.struct_size = sizeof opts;
    for (size_t i = 0; i < count; i++)
        branches[i] = fake_primitive_new(&s->fakes[i]);
    s->parallel = wr_parallel(branches, count, &opts, &err);
    CHECK(s->parallel);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->parallel);
    for (size_t i = 0; i < s->count; i++)
        fake_primitive_done(&s->fakes[i]);
}

TEST(all_get_the_input_and_the_order_is_kept)
{
    struct setting s = {
        .fakes = {{FAKE_STEPS({.output = "\"a\""})}, {0}, {FAKE_STEPS({.output = "\"c\""})}}};
    struct primitive_call call;
    set_up(&s, 3, (struct wr_parallel_opts){0});
    primitive_call(&call, s.parallel, "{\"x\":1}", NULL);
    CHECK_INT(call.r, 0);
    primitive_check_value(call.value, "[\"a\",{\"x\":1},\"c\"]");
    primitive_call_done(&call);
    for (size_t i = 0; i < 3; i++)
        CHECK_STR(fake_primitive_last_input(&s.fakes[i]), "{\"x\":1}");
    tear_down(&s);
}

TEST(they_run_side_by_side)
{
    static const struct fake_step blocks = {.blocks = true, .output = "1"};
    struct setting s = {0};
    struct primitive_call call;
    for (size_t i = 0; i < 8; i++)
        s.fakes[i] = (struct fake_primitive){.steps = &blocks, .step_count = 1};
    set_up(&s, 8, (struct wr_parallel_opts){0});
    primitive_call_start(&call, s.parallel, "{}", NULL);
    for (size_t i = 0; i < 8; i++)
        fake_primitive_wait_running(&s.fakes[i], 1);
    for (size_t i = 0; i < 8; i++)
        fake_primitive_open(&s.fakes[i]);
    primitive_call_join(&call);
    primitive_check_value(call.value, "[1,1,1,1,1,1,1,1]");
    primitive_call_done(&call);
    tear_down(&s);
}

TEST(not_more_than_the_limit)
{
    static const struct fake_step blocks = {.blocks = true, .output = "1"};
    struct fake_primitive fake = {.steps = &blocks, .step_count = 1};
    struct wr_primitive *branches[6];
    struct wr_error err = {0};
    struct primitive_call call;
    branches[0] = fake_primitive_new(&fake);
    for (size_t i = 1; i < 6; i++)
        branches[i] = wr_primitive_ref(branches[0]);
    struct wr_primitive *parallel =
        wr_parallel(branches, 6, WR_OPTS(wr_parallel_opts, .max_concurrent = 2), &err);
    primitive_call_start(&call, parallel, "{}", NULL);
    fake_primitive_wait_running(&fake, 2);
    fake_primitive_open(&fake);
    primitive_call_join(&call);
    CHECK_INT(wr_value_count(call.value), 6);
    primitive_call_done(&call);
    CHECK_INT(fake_primitive_calls(&fake), 6);
    CHECK_INT(fake_primitive_most_running(&fake), 2);
    wr_primitive_free(parallel);
    fake_primitive_done(&fake);
}

TEST(the_first_failure_cancels_the_rest_and_waits_for_it)
{
    struct setting s = {
        .fakes = {
            {FAKE_STEPS({.blocks = true})},
            {FAKE_STEPS(
                {.blocks = true, .ignores_end = true, .code = WR_E_NOT_FOUND, .msg = "gone"})},
            {FAKE_STEPS({.blocks = true})}}};
    struct primitive_call call;
    set_up(&s, 3, (struct wr_parallel_opts){0});
    primitive_call_start(&call, s.parallel, "{}", NULL);
    for (size_t i = 0; i < 3; i++)
        fake_primitive_wait_running(&s.fakes[i], 1);
    fake_primitive_open(&s.fakes[1]);
    primitive_call_join(&call);
    CHECK_INT(call.r, -WR_E_NOT_FOUND);
    CHECK_STR(call.err.msg, "branch 1: gone");
    tear_down(&s);
}

TEST(branches_after_a_failure_are_not_begun)
{
    struct setting s = {.fakes = {{FAKE_STEPS({.code = WR_E_NOT_FOUND})}, {0}, {0}}};
    struct primitive_call call;
    set_up(&s, 3, (struct wr_parallel_opts){.max_concurrent = 1});
    primitive_call(&call, s.parallel, "{}", NULL);
    CHECK_INT(call.r, -WR_E_NOT_FOUND);
    CHECK_INT(fake_primitive_calls(&s.fakes[1]) + fake_primitive_calls(&s.fakes[2]), 0);
    tear_down(&s);
}

TEST(keep_going_has_errors_as_results)
{
    struct setting s = {.fakes = {{FAKE_STEPS({.code = WR_E_NOT_FOUND, .msg = "gone"})}, {0}}};
    struct primitive_call call;
    set_up(&s, 2, (struct wr_parallel_opts){.keep_going = true});
    primitive_call(&call, s.parallel, "{}", NULL);
    CHECK_INT(call.r, 0);
    primitive_check_value(call.value,
                          "[{\"error\":{\"code\":\"not_found\",\"message\":\"gone\"}},{}]");
    primitive_call_done(&call);
    tear_down(&s);
}

TEST(cancelling_the_whole_ends_all_also_with_keep_going)
{
    struct setting s = {.fakes = {{FAKE_STEPS({.blocks = true})}, {FAKE_STEPS({.blocks = true})}}};
    struct wr_error err = {0};
    struct primitive_call call;
    set_up(&s, 2, (struct wr_parallel_opts){.keep_going = true});
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    primitive_call_start(&call, s.parallel, "{}", workflow);
    for (size_t i = 0; i < 2; i++)
        fake_primitive_wait_running(&s.fakes[i], 1);
    wr_workflow_cancel(workflow);
    primitive_call_join(&call);
    CHECK_INT(call.r, -WR_E_CANCELED);
    wr_workflow_free(workflow);
    tear_down(&s);
}

struct listener {
    pthread_mutex_t lock;
    int events;
};

static int on_event(const struct wr_code_event *event, void *data)
{
    struct listener *listener = data;
    CHECK_INT(event->kind, WR_CODE_STDOUT);
    /* One event at a time was promised: the lock is always free. */
    CHECK_INT(pthread_mutex_trylock(&listener->lock), 0);
    listener->events++;
    CHECK_INT(pthread_mutex_unlock(&listener->lock), 0);
    return 0;
}

TEST(results_that_come_late_are_still_there)
{
    struct setting s = {
        .fakes = {{FAKE_STEPS({.blocks = true, .ignores_end = true, .output = "1"})},
                  {FAKE_STEPS({.blocks = true, .ignores_end = true, .output = "2"})}}};
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    struct primitive_call call;
    set_up(&s, 2, (struct wr_parallel_opts){0});
    primitive_call_start(&call, s.parallel, "{}", workflow);
    for (size_t i = 0; i < 2; i++)
        fake_primitive_wait_running(&s.fakes[i], 1);
    wr_workflow_cancel(workflow);
    for (size_t i = 0; i < 2; i++)
        fake_primitive_open(&s.fakes[i]);
    primitive_call_join(&call);
    CHECK_INT(call.r, 0);
    primitive_check_value(call.value, "[1,2]");
    primitive_call_done(&call);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(events_come_one_at_a_time)
{
    static const struct fake_step says = {.says = "x", .output = "1"};
    struct setting s = {0};
    struct listener listener = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct wr_error err = {0};
    for (size_t i = 0; i < MOST; i++)
        s.fakes[i] = (struct fake_primitive){.steps = &says, .step_count = 1};
    set_up(&s, MOST, (struct wr_parallel_opts){0});
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .on_event = on_event, .on_event_data = &listener), &err);
    for (int i = 0; i < 20; i++) {
        struct primitive_call call;
        primitive_call(&call, s.parallel, "{}", workflow);
        CHECK_INT(call.r, 0);
        primitive_call_done(&call);
    }
    CHECK_INT(listener.events, 20 * MOST);
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(bad_ones_free_what_came)
{
    struct fake_primitive a = {0}, b = {0};
    struct wr_error err = {0};
    CHECK(!wr_parallel((struct wr_primitive *[]){fake_primitive_new(&a), NULL}, 2, NULL, &err));
    CHECK_INT(err.code, 0);
    CHECK(!wr_parallel((struct wr_primitive *[]){fake_primitive_new(&b)}, 1,
                       &(struct wr_parallel_opts){.max_concurrent = 1}, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(!wr_parallel(NULL, 0, NULL, &err));
    fake_primitive_done(&a);
    fake_primitive_done(&b);
}
