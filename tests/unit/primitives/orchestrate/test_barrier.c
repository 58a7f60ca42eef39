#include <pthread.h>
#include <stdatomic.h>

#include "primitives/core/workflow.h"
#include "test.h"
#include "warren/coordinate.h"

#define PARTIES 8
#define ROUNDS  50

struct scene {
    struct wr_barrier *barrier;
    atomic_uint inside[ROUNDS], firsts[ROUNDS];
};

static void *go_round(void *data)
{
    struct scene *scene = data;
    struct wr_error err = {0};
    unsigned number = PARTIES;

    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&scene->inside[i], 1);
        CHECK_INT(wr_barrier_wait(scene->barrier, NULL, &number, &err), 0);
        /* Nobody goes on before all have come. */
        CHECK_INT(atomic_load(&scene->inside[i]), PARTIES);
        CHECK(number < PARTIES);
        if (number == 0)
            atomic_fetch_add(&scene->firsts[i], 1);
    }
    return NULL;
}

TEST(all_go_together_again_and_again)
{
    static struct scene scene;
    struct wr_error err = {0};
    pthread_t threads[PARTIES];

    scene.barrier = wr_barrier_new(PARTIES, &err);
    for (int i = 0; i < PARTIES; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, go_round, &scene), 0);
    for (int i = 0; i < PARTIES; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_INT(atomic_load(&scene.firsts[i]), 1);
    wr_barrier_free(scene.barrier);
}

TEST(one_party_never_waits)
{
    struct wr_error err = {0};
    struct wr_barrier *barrier = wr_barrier_new(1, &err);
    unsigned number = 9;

    CHECK_INT(wr_barrier_wait(barrier, NULL, &number, &err), 0);
    CHECK_INT(number, 0);
    CHECK_INT(wr_barrier_wait(barrier, NULL, NULL, &err), 0);
    wr_barrier_free(barrier);
    CHECK(wr_barrier_new(0, &err) == NULL);
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(wr_barrier_free(NULL) == NULL);
}

struct waiting {
    struct wr_barrier *barrier;
    struct wr_workflow *workflow;
    int result;
};

static void *wait_once(void *data)
{
    struct waiting *waiting = data;
    struct wr_error err = {0};

    waiting->result = wr_barrier_wait(waiting->barrier, waiting->workflow, NULL, &err);
    return NULL;
}

/* Whenever the token fires: before, while or after the others wait. */
TEST(a_party_that_gives_up_breaks_it)
{
    for (int round = 0; round < 20; round++) {
        struct wr_error err = {0};
        wr_auto_workflow *workflow = wr_workflow_new(NULL, &err);
        struct wr_barrier *barrier = wr_barrier_new(4, &err);
        struct waiting all[3] = {{barrier, workflow, 0}, {barrier, NULL, 0}, {barrier, NULL, 0}};
        pthread_t threads[3];
        for (int i = 0; i < 3; i++)
            CHECK_INT(pthread_create(&threads[i], NULL, wait_once, &all[i]), 0);
        if (round % 2)
            sched_yield();
        wr_workflow_cancel(workflow);
        CHECK_INT(pthread_join(threads[0], NULL), 0);
        CHECK_INT(all[0].result, -WR_E_CANCELED);
        /* It may have given up before it came to the barrier: this one comes, and gives up. */
        wr_auto_workflow *over = wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 1), &err);
        int r = wr_barrier_wait(barrier, over, NULL, &err);
        CHECK(r == -WR_E_ABORTED || r == -WR_E_DEADLINE_EXCEEDED);
        for (int i = 1; i < 3; i++) {
            CHECK_INT(pthread_join(threads[i], NULL), 0);
            CHECK_INT(all[i].result, -WR_E_ABORTED);
        }
        CHECK_INT(wr_barrier_wait(barrier, NULL, NULL, &err), -WR_E_ABORTED);
        wr_barrier_free(barrier);
    }
}
