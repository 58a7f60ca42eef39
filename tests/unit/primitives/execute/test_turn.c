#include <pthread.h>

#include "primitives/execute/turn.h"
#include "test.h"

static struct wr_workflow *new_workflow(uint64_t timeout_ms)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = timeout_ms), &err);

    CHECK(workflow);
    return workflow;
}

TEST(without_turns_everybody_goes_at_once)
{
    struct wr_turn turn = {.fd = -1};
    struct wr_workflow *workflow = new_workflow(0);
    struct wr_error err = {0};

    CHECK_INT(wr_turn_take(&turn, workflow, &err), 0);
    CHECK_INT(wr_turn_take(&turn, workflow, &err), 0);
    wr_turn_give(&turn);
    wr_turn_done(&turn);
    wr_workflow_free(workflow);
}

TEST(waiting_ends_with_the_workflow)
{
    struct wr_turn turn = {.fd = -1};
    struct wr_workflow *workflow = new_workflow(0), *shorter = new_workflow(1);
    struct wr_error err = {0};

    CHECK_INT(wr_turn_init(&turn, &err), 0);
    CHECK_INT(wr_turn_take(&turn, workflow, &err), 0);
    CHECK_INT(wr_turn_take(&turn, shorter, &err), -WR_E_DEADLINE_EXCEEDED);
    wr_workflow_cancel(workflow);
    CHECK_INT(wr_turn_take(&turn, workflow, &err), -WR_E_CANCELED);
    wr_workflow_free(shorter);
    wr_workflow_free(workflow);
    wr_turn_done(&turn);
    wr_turn_done(&turn);
}

#define THREADS 8
#define ROUNDS  200

static struct wr_turn shared = {.fd = -1};
static int inside, rounds; /* whose turn it is looks at them */

static void *take_turns(void *data)
{
    struct wr_error err = {0};

    for (int i = 0; i < ROUNDS; i++) {
        CHECK_INT(wr_turn_take(&shared, data, &err), 0);
        CHECK_INT(inside++, 0);
        rounds++;
        inside--;
        wr_turn_give(&shared);
    }
    return NULL;
}

TEST(one_at_a_time_and_each_in_the_end)
{
    struct wr_workflow *workflow = new_workflow(0);
    struct wr_error err = {0};
    pthread_t threads[THREADS];

    CHECK_INT(wr_turn_init(&shared, &err), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, take_turns, workflow), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(rounds, THREADS * ROUNDS);
    wr_turn_done(&shared);
    wr_workflow_free(workflow);
}
