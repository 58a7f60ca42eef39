#include <poll.h>
#include <pthread.h>

#include "primitives/core/workflow.h"
#include "test.h"

static struct wr_workflow *new_workflow(const struct wr_workflow_opts *opts)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(opts, &err);
    if (!workflow)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return workflow;
}

TEST(ids_are_made_or_taken)
{
    struct wr_workflow *a = new_workflow(NULL), *b = new_workflow(NULL);
    CHECK_INT(strlen(wr_workflow_id(a)), 36);
    CHECK_INT(wr_workflow_id(a)[14], '4');
    CHECK(strcmp(wr_workflow_id(a), wr_workflow_id(b)) != 0);
    CHECK(strcmp(wr_workflow_correlation_id(a), wr_workflow_id(a)) != 0);
    CHECK_STR(wr_workflow_session_id(a), "");
    wr_workflow_free(a);
    wr_workflow_free(b);
    a = new_workflow(WR_OPTS(wr_workflow_opts, .workflow_id = "w", .correlation_id = "req-123",
                             .session_id = "s", .tracestate = "a=b"));
    CHECK_STR(wr_workflow_id(a), "w");
    CHECK_STR(wr_workflow_correlation_id(a), "req-123");
    CHECK_STR(wr_workflow_session_id(a), "s");
    CHECK_STR(wr_workflow_tracestate(a), "a=b");
    wr_workflow_free(a);
}

TEST(bad_options)
{
    char text[600];
    struct wr_error err = {0};
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    CHECK(!wr_workflow_new(WR_OPTS(wr_workflow_opts, .workflow_id = text), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(!wr_workflow_new(WR_OPTS(wr_workflow_opts, .tracestate = text), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(!wr_workflow_new(WR_OPTS(wr_workflow_opts, .traceparent = "00-1-2-01"), &err));
    CHECK(strstr(err.msg, "traceparent 00-1-2-01"));
    text[255] = '\0';
    struct wr_workflow *longest = new_workflow(WR_OPTS(wr_workflow_opts, .workflow_id = text));
    CHECK_STR(wr_workflow_id(longest), text);
    wr_workflow_free(longest);
    text[255] = 'x';
    text[256] = '\0';
    CHECK(!wr_workflow_new(WR_OPTS(wr_workflow_opts, .workflow_id = text), &err));
}

TEST(a_trace_is_continued)
{
    char text[56];
    struct wr_workflow *workflow = new_workflow(
        WR_OPTS(wr_workflow_opts,
                .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
    wr_workflow_traceparent(workflow, text);
    CHECK_STR(text, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    CHECK(!wr_workflow_sampled(workflow));
    wr_workflow_free(workflow);
    workflow = new_workflow(NULL);
    wr_workflow_traceparent(workflow, text);
    CHECK(strstr(text, "-0000000000000000-01"));
    CHECK(wr_workflow_sampled(workflow));
    wr_workflow_free(workflow);
}

TEST(state_belongs_to_the_whole_workflow)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = new_workflow(NULL);
    struct wr_workflow *child = wr_workflow_child(workflow, 0, &err);
    CHECK_INT(wr_workflow_set(child, "count", wr_value_of_int(3), &err), 0);
    struct wr_value *value = wr_workflow_get(workflow, "count");
    CHECK_INT(wr_value_int(value, NULL, 0), 3);
    wr_value_free(value);
    CHECK_INT(wr_workflow_set(workflow, "count", NULL, &err), 0);
    CHECK(!wr_workflow_get(child, "count"));
    CHECK_INT(wr_workflow_set(workflow, "count", NULL, &err), 0);
    CHECK_INT(wr_workflow_set(workflow, "\xff", wr_value_of_int(1), &err), -WR_E_INVALID_ARGUMENT);
    wr_workflow_free(workflow);
    CHECK_INT(wr_workflow_set(child, "late", wr_value_of_bool(true), &err), 0);
    wr_workflow_free(child);
}

TEST(all_of_the_state_is_an_object)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = new_workflow(NULL);
    struct wr_value *all = wr_workflow_get(workflow, NULL);
    CHECK_INT(wr_value_count(all), 0);
    CHECK_INT(wr_workflow_set(workflow, "count", wr_value_of_int(3), &err), 0);
    CHECK_INT(wr_value_count(all), 0);
    wr_value_free(all);
    all = wr_workflow_get(workflow, NULL);
    CHECK_INT(wr_value_int(all, "count", 0), 3);
    wr_value_free(all);
    wr_workflow_free(workflow);
}

TEST(data_is_inherited)
{
    struct wr_error err = {0};
    int mine = 0;
    struct wr_workflow *workflow = new_workflow(NULL);
    struct wr_workflow *before = wr_workflow_child(workflow, 0, &err);
    wr_workflow_set_data(workflow, &mine);
    struct wr_workflow *child = wr_workflow_child(workflow, 0, &err);
    struct wr_workflow *scope = wr_workflow_scope(child, NULL, &err);
    CHECK(wr_workflow_data(workflow) == &mine && wr_workflow_data(scope) == &mine);
    CHECK(!wr_workflow_data(before));
    wr_workflow_free(scope);
    wr_workflow_free(child);
    wr_workflow_free(before);
    wr_workflow_free(workflow);
}

TEST(checkpoints_are_counted_and_bounded)
{
    struct wr_workflow *workflow = new_workflow(NULL);
    for (int i = 0; i < 1025; i++)
        wr_workflow_checkpoint(workflow, i == 0 ? "first" : "more");
    struct wr_value *list = wr_workflow_checkpoints(workflow);
    CHECK_INT(wr_value_count(list), 1024);
    CHECK_STR(wr_value_string(wr_value_at(list, 0), "name"), "first");
    CHECK(wr_value_double(wr_value_at(list, 1023), "elapsed_ms", -1) >=
          wr_value_double(wr_value_at(list, 0), "elapsed_ms", 1e9));
    wr_value_free(list);
    wr_workflow_free(workflow);
}

TEST(cancelling_goes_down_and_not_up)
{
    struct wr_error err = {0};
    struct wr_cancel *token = wr_cancel_new(NULL, &err);
    struct wr_workflow *workflow = new_workflow(WR_OPTS(wr_workflow_opts, .cancel = token));
    struct wr_workflow *child = wr_workflow_child(workflow, 0, &err);
    struct wr_workflow *scope = wr_workflow_scope(workflow, NULL, &err);
    wr_workflow_cancel(child);
    CHECK_INT(wr_workflow_check(child, &err), -WR_E_CANCELED);
    CHECK_INT(wr_workflow_check(workflow, &err), 0);
    CHECK_INT(wr_workflow_check(scope, &err), 0);
    struct pollfd fd = {.fd = wr_cancel_fd(wr_workflow_wait(scope, 0).cancel), .events = POLLIN};
    CHECK_INT(poll(&fd, 1, 0), 0);
    wr_workflow_cancel(workflow);
    CHECK_INT(wr_workflow_check(scope, &err), -WR_E_CANCELED);
    CHECK_INT(poll(&fd, 1, 0), 1);
    CHECK(!wr_cancel_fired(token));
    wr_workflow_free(child);
    wr_workflow_free(scope);
    wr_workflow_free(workflow);
    workflow = new_workflow(WR_OPTS(wr_workflow_opts, .cancel = token));
    wr_cancel_fire(token);
    CHECK_INT(wr_workflow_check(workflow, &err), -WR_E_CANCELED);
    wr_workflow_free(workflow);
    wr_cancel_free(token);
}

TEST(a_part_never_has_more_time_than_the_whole)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = new_workflow(WR_OPTS(wr_workflow_opts, .timeout_ms = 100000));
    struct wr_workflow *less = wr_workflow_child(workflow, 5000, &err);
    struct wr_workflow *more = wr_workflow_child(workflow, 500000, &err);
    struct wr_workflow *same = wr_workflow_child(workflow, 0, &err);
    CHECK(wr_workflow_wait(less, 0).timeout_ms <= 5000);
    CHECK(wr_workflow_wait(more, 0).timeout_ms <= 100000);
    CHECK(wr_workflow_wait(more, 0).timeout_ms > 5000);
    CHECK(wr_workflow_wait(same, 0).timeout_ms > 5000);
    CHECK_INT(wr_workflow_wait(same, 70).timeout_ms, 70);
    wr_workflow_free(less);
    wr_workflow_free(more);
    wr_workflow_free(same);
    wr_workflow_free(workflow);
    workflow = new_workflow(NULL);
    CHECK_INT(wr_workflow_wait(workflow, 0).timeout_ms, 0);
    CHECK_INT(wr_workflow_wait(workflow, 9).timeout_ms, 9);
    wr_workflow_free(workflow);
    workflow = new_workflow(WR_OPTS(wr_workflow_opts, .timeout_ms = 1));
    while (wr_workflow_check(workflow, &err) == 0)
        (void)poll(NULL, 0, 1);
    CHECK_INT(err.code, WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(wr_workflow_wait(workflow, 0).timeout_ms, 1); /* 0 would be no bound */
    wr_workflow_free(workflow);
}

static int count_event(const struct wr_code_event *event, void *data)
{
    (void)event;
    return ++*(int *)data;
}

TEST(a_scope_can_listen_in_its_parents_place)
{
    struct wr_error err = {0};
    int outer = 0, inner = 0;
    struct wr_code_event event = {.kind = WR_CODE_STDOUT, .text = "x", .text_len = 1};
    struct wr_workflow *workflow =
        new_workflow(WR_OPTS(wr_workflow_opts, .on_event = count_event, .on_event_data = &outer));
    struct wr_workflow *deaf = wr_workflow_scope(
        workflow, &(struct wr_scope_opts){.has_sink = true, .on_event = NULL}, &err);
    struct wr_workflow *other = wr_workflow_scope(
        workflow,
        &(struct wr_scope_opts){.has_sink = true, .on_event = count_event, .on_event_data = &inner},
        &err);
    struct wr_workflow *below = wr_workflow_child(other, 0, &err);
    CHECK(!wr_workflow_listens(deaf) && wr_workflow_listens(other));
    CHECK_INT(wr_workflow_emit(deaf, &event), 0);
    CHECK_INT(wr_workflow_emit(below, &event), 1);
    CHECK_INT(wr_workflow_emit(workflow, &event), 1);
    CHECK(outer == 1 && inner == 1);
    wr_workflow_free(below);
    wr_workflow_free(other);
    wr_workflow_free(deaf);
    wr_workflow_free(workflow);
}

static void *use(void *data)
{
    struct wr_workflow *workflow = data;
    struct wr_error err = {0};
    for (int i = 0; i < 500; i++) {
        wr_workflow_free(wr_workflow_ref(workflow));
        struct wr_workflow *child = wr_workflow_child(workflow, 1000, &err);
        (void)wr_workflow_set(child, "shared", wr_value_of_int(i), &err);
        wr_value_free(wr_workflow_get(child, "shared"));
        wr_workflow_checkpoint(child, "again");
        wr_workflow_free(child);
    }
    return NULL;
}

TEST(threads_share_one)
{
    pthread_t threads[4];
    struct wr_workflow *workflow = new_workflow(NULL);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, use, workflow), 0);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    struct wr_value *list = wr_workflow_checkpoints(workflow);
    CHECK_INT(wr_value_count(list), 1024);
    wr_value_free(list);
    wr_workflow_free(workflow);
}

static void *count_up(void *data)
{
    for (int i = 0; i < 1000; i++)
        wr_workflow_count(data, "n");
    return NULL;
}

TEST(members_of_the_state_change_as_one_step)
{
    pthread_t threads[4];
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, count_up, workflow), 0);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    struct wr_value *number = wr_workflow_get(workflow, "n");
    CHECK_INT(wr_value_int(number, NULL, 0), 4000);
    wr_value_free(number);
    wr_workflow_free(workflow);
}

static struct wr_value *no_value(const struct wr_value *old, void *data)
{
    (void)old;
    (void)data;
    return NULL;
}

TEST(a_change_without_a_value_leaves_the_state_as_it_is)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    wr_workflow_count(workflow, "n");
    CHECK_INT(wr_workflow_update(workflow, "n", no_value, NULL, &err), -WR_E_RESOURCE_EXHAUSTED);
    struct wr_value *number = wr_workflow_get(workflow, "n");
    CHECK_INT(wr_value_int(number, NULL, 0), 1);
    wr_value_free(number);
    wr_workflow_free(workflow);
}
