#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"
#include "primitives/orchestrate/waiter.h"
#include "warren/coordinate.h"

enum arrival {
    ARRIVAL_WAITS = 0,
    ARRIVAL_PASSED = 1,
    ARRIVAL_BROKEN = 2,
};

struct party {
    struct wr_waiter waiter;
    enum arrival state; /* under the barrier's lock */
};

struct wr_barrier {
    pthread_mutex_t lock;
    unsigned parties, arrived;
    bool broken;
    struct wr_list waiting; /* of struct party */
};

struct wr_barrier *wr_barrier_new(unsigned parties, struct wr_error *err)
{
    struct wr_barrier *barrier = NULL;

    if (parties == 0) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a barrier has at least one party");
        return NULL;
    }
    barrier = wr_calloc(1, sizeof *barrier);
    if (!barrier) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "barrier");
        return NULL;
    }
    (void)pthread_mutex_init(&barrier->lock, NULL);
    barrier->parties = parties;
    wr_list_init(&barrier->waiting);
    return barrier;
}

struct wr_barrier *wr_barrier_free(struct wr_barrier *barrier)
{
    if (!barrier)
        return NULL;
    (void)pthread_mutex_destroy(&barrier->lock);
    free(barrier);
    return NULL;
}

/* All who wait go, with that state. */
static void let_go(struct wr_barrier *barrier, enum arrival state)
{
    wr_list_foreach(at, &barrier->waiting) {
        struct party *party = wr_container_of(at, struct party, waiter.link);
        wr_list_remove(at);
        party->state = state;
        wr_waiter_wake(&party->waiter);
    }
    barrier->arrived = 0;
}

static int fail_broken(struct wr_error *err)
{
    return wr_fail(err, WR_E_ABORTED, 0,
                   "the barrier is broken: a party that waited at it gave up");
}

/* Comes in; true when it has to wait. */
static bool arrive(struct wr_barrier *barrier, struct party *party, unsigned *ret_number)
{
    barrier->arrived++;
    *ret_number = barrier->parties - barrier->arrived;
    if (*ret_number == 0) {
        let_go(barrier, ARRIVAL_PASSED);
        return false;
    }
    wr_list_append(&barrier->waiting, &party->waiter.link);
    return true;
}

int wr_barrier_wait(struct wr_barrier *barrier, struct wr_workflow *workflow, unsigned *ret_number,
                    struct wr_error *err)
{
    struct party party = {0};
    unsigned number = 0;

    int r = workflow ? wr_workflow_check(workflow, err) : 0;
    if (r == 0)
        r = wr_waiter_init(&party.waiter, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&barrier->lock);
    bool broken = barrier->broken;
    bool waits = !broken && arrive(barrier, &party, &number);
    (void)pthread_mutex_unlock(&barrier->lock);
    if (waits) {
        r = wr_waiter_wait(&party.waiter, workflow, 0, err);
        (void)pthread_mutex_lock(&barrier->lock);
        if (party.state == ARRIVAL_WAITS) {
            wr_list_remove(&party.waiter.link);
            barrier->broken = true;
            let_go(barrier, ARRIVAL_BROKEN);
        } else {
            r = 0; /* the others had come before the workflow ended */
        }
        broken = party.state == ARRIVAL_BROKEN;
        (void)pthread_mutex_unlock(&barrier->lock);
    }
    wr_waiter_done(&party.waiter);
    if (r == 0 && broken)
        r = fail_broken(err);
    if (r == 0 && ret_number)
        *ret_number = number;
    return r;
}
