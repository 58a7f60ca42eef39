#include <pthread.h>
#include <stdatomic.h>

#include "primitives/core/workflow.h"
#include "primitives/orchestrate/leases.h"
#include "test.h"

/* Time stands still unless the test moves it; looks at it are counted. */
static atomic_uint_fast64_t now_ms, looks;

static uint64_t test_now(void *self)
{
    (void)self;
    atomic_fetch_add(&looks, 1);
    return atomic_load(&now_ms);
}

static const struct wr_clock test_clock = {.now_ms = test_now};

static uint64_t take(struct wr_leases *leases, const char *name, uint64_t ttl_ms)
{
    struct wr_error err = {0};
    uint64_t token = 0;

    CHECK_INT(wr_leases_take(leases, name, ttl_ms, NULL, &token, &err), 0);
    CHECK(token > 0);
    return token;
}

TEST(tokens_grow)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new(&err);
    uint64_t last = 0;

    for (int i = 0; i < 5; i++) {
        uint64_t token = take(leases, "a", 1000);
        CHECK(token > last);
        last = token;
        take(leases, i % 2 ? "b" : "c", 1);
        wr_leases_give(leases, "a", token);
    }
    wr_leases_free(leases);
    CHECK(wr_leases_free(NULL) == NULL);
}

TEST(one_that_is_held_is_waited_for)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new_with(&test_clock, &err);
    wr_auto_workflow *brief = wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 5), &err);
    uint64_t token = take(leases, "a", 1000), other = 0;

    CHECK_INT(wr_leases_take(leases, "a", 1000, brief, &other, &err), -WR_E_DEADLINE_EXCEEDED);
    wr_leases_give(leases, "a", token + 1); /* somebody else's: nothing happens */
    CHECK_INT(wr_leases_renew(leases, "a", token, 1000, &err), 0);
    CHECK_INT(wr_leases_renew(leases, "a", token + 1, 1000, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_leases_renew(leases, "b", token, 1000, &err), -WR_E_FAILED_PRECONDITION);
    wr_leases_free(leases);
}

TEST(a_lease_ends_with_its_time)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new_with(&test_clock, &err);
    uint64_t first = take(leases, "a", 1000);

    atomic_store(&now_ms, 999);
    CHECK_INT(wr_leases_renew(leases, "a", first, 1000, &err), 0);
    atomic_store(&now_ms, 1999);
    /* Its time is over, but nobody else has it. */
    CHECK_INT(wr_leases_renew(leases, "a", first, 1000, &err), 0);
    atomic_store(&now_ms, 2999);
    uint64_t second = take(leases, "a", 1000);
    CHECK(second > first);
    CHECK_INT(wr_leases_renew(leases, "a", first, 1000, &err), -WR_E_FAILED_PRECONDITION);
    wr_leases_give(leases, "a", first);
    CHECK_INT(wr_leases_renew(leases, "a", second, 1000, &err), 0);
    wr_leases_free(leases);
}

struct applicant {
    struct wr_leases *leases;
    pthread_t thread;
    unsigned number;
    atomic_uint *order; /* how many have had it */
    uint64_t token;
};

static void *apply(void *data)
{
    struct applicant *self = data;

    self->token = take(self->leases, "a", 100000);
    CHECK_INT(atomic_fetch_add(self->order, 1), self->number);
    wr_leases_give(self->leases, "a", self->token);
    return NULL;
}

TEST(first_come_first_served)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new_with(&test_clock, &err);
    struct applicant all[6];
    atomic_uint order = 0;
    uint64_t token = take(leases, "a", 100000);

    for (unsigned i = 0; i < 6; i++) {
        uint64_t before = atomic_load(&looks);
        all[i] = (struct applicant){.leases = leases, .number = i, .order = &order};
        CHECK_INT(pthread_create(&all[i].thread, NULL, apply, &all[i]), 0);
        /* It looks at the time under the lock when it is in the line. */
        while (atomic_load(&looks) == before)
            sched_yield();
        wr_leases_give(leases, "a", 0);
    }
    wr_leases_give(leases, "a", token);
    for (unsigned i = 0; i < 6; i++)
        CHECK_INT(pthread_join(all[i].thread, NULL), 0);
    CHECK_INT(atomic_load(&order), 6);
    wr_leases_free(leases);
}

/* With real time: who waits comes to its turn though nobody gives the lease back. */
TEST(the_line_moves_when_a_lease_runs_out)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new(&err);
    uint64_t first = take(leases, "a", 10), second = take(leases, "a", 10);

    CHECK(second > first);
    wr_leases_free(leases);
}

TEST(who_gives_up_is_out_of_the_line)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new_with(&test_clock, &err);
    wr_auto_workflow *brief = wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 3), &err);
    uint64_t token = take(leases, "a", 1000), other = 0;

    CHECK_INT(wr_leases_take(leases, "a", 1000, brief, &other, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(other, 0);
    wr_leases_give(leases, "a", token);
    CHECK(take(leases, "a", 1000) == token + 1);
    wr_leases_free(leases);
}

TEST(bad_arguments)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new(&err);
    char name[257];
    uint64_t token = 0;

    memset(name, 'x', 256);
    name[256] = '\0';
    CHECK_INT(wr_leases_take(leases, NULL, 1, NULL, &token, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_leases_take(leases, "", 1, NULL, &token, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_leases_take(leases, name, 1, NULL, &token, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_leases_take(leases, "a", 0, NULL, &token, &err), -WR_E_INVALID_ARGUMENT);
    name[255] = '\0';
    CHECK(take(leases, name, 1) > 0);
    wr_leases_free(leases);
}

#define HOLDERS 6

static atomic_int holding;

static void *hold_often(void *data)
{
    for (int i = 0; i < 100; i++) {
        uint64_t token = take(data, "a", 100000);
        CHECK_INT(atomic_fetch_add(&holding, 1), 0);
        atomic_fetch_sub(&holding, 1);
        wr_leases_give(data, "a", token);
    }
    return NULL;
}

TEST(one_at_a_time)
{
    struct wr_error err = {0};
    struct wr_leases *leases = wr_leases_new(&err);
    pthread_t threads[HOLDERS];

    for (int i = 0; i < HOLDERS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hold_often, leases), 0);
    for (int i = 0; i < HOLDERS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    wr_leases_free(leases);
}
