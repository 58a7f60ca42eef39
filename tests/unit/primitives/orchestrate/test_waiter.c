#include <pthread.h>

#include "primitives/core/workflow.h"
#include "primitives/orchestrate/waiter.h"
#include "test.h"

TEST(a_wake_before_the_wait_is_not_lost)
{
    struct wr_waiter waiter;
    struct wr_error err = {0};

    CHECK_INT(wr_waiter_init(&waiter, &err), 0);
    wr_waiter_wake(&waiter);
    CHECK_INT(wr_waiter_wait(&waiter, NULL, 0, &err), WR_WAITER_WOKEN);
    wr_waiter_done(&waiter);
}

TEST(time)
{
    struct wr_waiter waiter;
    struct wr_error err = {0};

    CHECK_INT(wr_waiter_init(&waiter, &err), 0);
    CHECK_INT(wr_waiter_wait(&waiter, NULL, 1, &err), WR_WAITER_TIME);
    wr_waiter_done(&waiter);
}

TEST(the_end_of_the_workflow)
{
    struct wr_error err = {0};
    wr_auto_workflow *workflow = wr_workflow_new(NULL, &err);
    wr_auto_workflow *brief = wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 1), &err);
    struct wr_waiter waiter;

    CHECK_INT(wr_waiter_init(&waiter, &err), 0);
    CHECK_INT(wr_waiter_wait(&waiter, brief, 0, &err), -WR_E_DEADLINE_EXCEEDED);
    wr_workflow_cancel(workflow);
    CHECK_INT(wr_waiter_wait(&waiter, workflow, 0, &err), -WR_E_CANCELED);
    wr_waiter_done(&waiter);
}

static void *wake(void *data)
{
    wr_waiter_wake(data);
    return NULL;
}

TEST(another_thread)
{
    struct wr_waiter waiter;
    struct wr_error err = {0};
    pthread_t thread;

    CHECK_INT(wr_waiter_init(&waiter, &err), 0);
    CHECK_INT(pthread_create(&thread, NULL, wake, &waiter), 0);
    CHECK_INT(wr_waiter_wait(&waiter, NULL, 0, &err), WR_WAITER_WOKEN);
    CHECK_INT(pthread_join(thread, NULL), 0);
    wr_waiter_done(&waiter);
}
