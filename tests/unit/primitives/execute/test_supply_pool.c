#include "supply_fixture.h"
#include "warren/telemetry.h"

static struct wr_supply *pool(struct fixture *f, const struct wr_supply_opts *given)
{
    struct wr_supply_opts opts = *given;
    struct wr_error err = {0};

    opts.struct_size = sizeof opts;
    opts.clock = &f->clock.clock;
    struct wr_supply *supply = wr_supply_pool(f->client, &opts, &err);
    if (!supply)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return supply;
}

TEST(fills_to_its_size_and_gives_what_is_ready)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 3});

    EVENTUALLY(stat_of(supply, "idle") == 3);
    struct wr_lease lease = take(supply);
    CHECK(lease.fresh);
    CHECK_INT(stat_of(supply, "idle"), 2);
    CHECK_INT(stat_of(supply, "busy"), 1);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 3);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(what_was_used_is_killed_and_replaced)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 1});
    char first[WR_SANDBOX_ID_MAX] = "";
    struct wr_lease lease = take(supply);

    id_of(&lease, first);
    give(supply, &lease, WR_LEASE_DONE);
    lease = take(supply);
    CHECK(strcmp(first, wr_sandbox_id(lease.sandbox)) != 0);
    CHECK(!fake_driver_is_alive(f->driver, first));
    CHECK(lease.fresh);
    /* Never more than `max` at the server, not even while one is replaced. */
    CHECK_INT(fake_driver_peak_alive(f->driver), 1);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(first_come_first_served)
{
    enum { WAITERS = 6 };
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 1});
    struct taker takers[WAITERS] = {0};
    unsigned order = 0;
    struct wr_lease lease = take(supply);

    for (unsigned i = 0; i < WAITERS; i++) {
        takers[i].order = &order;
        taker_start(&takers[i], supply, 0);
        EVENTUALLY(stat_of(supply, "waiting") == i + 1);
    }
    give(supply, &lease, WR_LEASE_DONE);
    for (unsigned i = 0; i < WAITERS; i++) {
        CHECK_INT(taker_join(&takers[i]), 0);
        CHECK_INT(takers[i].place, i + 1);
        give(supply, &takers[i].lease, WR_LEASE_DONE);
    }
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(grows_up_to_max_when_there_is_demand)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 3});
    struct wr_lease a = take(supply), b = take(supply), c = take(supply);
    struct taker fourth = {0};

    CHECK_INT(fake_driver_alive(f->driver), 3);
    taker_start(&fourth, supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 1);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 3);
    give(supply, &b, WR_LEASE_DONE);
    CHECK_INT(taker_join(&fourth), 0);
    CHECK_INT(fake_driver_peak_alive(f->driver), 3);
    give(supply, &a, WR_LEASE_DONE);
    give(supply, &c, WR_LEASE_DONE);
    give(supply, &fourth.lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(keeps_min_idle_beyond_those_in_use)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply =
        pool(f, &(struct wr_supply_opts){.size = 1, .min_idle = 2, .max = 5});

    EVENTUALLY(stat_of(supply, "idle") == 2);
    struct wr_lease a = take(supply), b = take(supply);
    EVENTUALLY(stat_of(supply, "idle") == 2 && stat_of(supply, "busy") == 2);
    struct wr_lease c = take(supply), d = take(supply);
    /* Up to max: one is left. */
    EVENTUALLY(stat_of(supply, "idle") == 1 && stat_of(supply, "busy") == 4);
    CHECK_INT(fake_driver_alive(f->driver), 5);
    give(supply, &a, WR_LEASE_DONE);
    give(supply, &b, WR_LEASE_DONE);
    give(supply, &c, WR_LEASE_DONE);
    give(supply, &d, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_wait_ends_with_the_workflows_time)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 1});
    struct wr_lease lease = take(supply);
    struct taker patient = {0}, hasty = {0};

    taker_start(&patient, supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 1);
    taker_start(&hasty, supply, 60000);
    EVENTUALLY(stat_of(supply, "waiting") == 2);
    fake_clock_advance(&f->clock, 60000);
    CHECK_INT(taker_join(&hasty), -WR_E_DEADLINE_EXCEEDED);
    CHECK(strstr(hasty.err.msg, "1 more wait for one"));
    give(supply, &lease, WR_LEASE_DONE);
    CHECK_INT(taker_join(&patient), 0);
    give(supply, &patient.lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_wait_can_be_cancelled_and_does_not_keep_its_place)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 1});
    struct wr_lease lease = take(supply);
    struct taker gone = {0}, next = {0};

    taker_start(&gone, supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 1);
    taker_start(&next, supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 2);
    wr_workflow_cancel(gone.workflow);
    CHECK_INT(taker_join(&gone), -WR_E_CANCELED);
    CHECK_INT(stat_of(supply, "waiting"), 1);
    give(supply, &lease, WR_LEASE_DONE);
    CHECK_INT(taker_join(&next), 0);
    give(supply, &next.lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(who_waits_hears_why_nothing_can_be_made)
{
    struct fixture *f = fixture_new();
    struct wr_lease lease = {0};
    struct wr_error err = {0};

    fake_driver_fail_after(f->driver, FAKE_CREATE, 1, 100, WR_E_RESOURCE_EXHAUSTED, 4000);
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 1});
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(err.retry_after_ms, 4000);
    /* Nobody asks the server again before it wants to be asked. */
    unsigned calls = fake_driver_calls(f->driver, FAKE_CREATE);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), calls);
    fake_clock_advance(&f->clock, 3999);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(err.retry_after_ms, 1);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), calls);
    fake_clock_advance(&f->clock, 1);
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_CREATE) == calls + 1);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(pauses_between_attempts_become_longer_and_end_with_success)
{
    struct fixture *f = fixture_new();
    const uint64_t pauses_ms[] = {250, 500, 1000, 2000};

    fake_driver_fail(f->driver, FAKE_CREATE, 1, 5, WR_E_PERMISSION_DENIED);
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 1});
    for (unsigned i = 0; i < 4; i++) {
        EVENTUALLY(fake_driver_calls(f->driver, FAKE_CREATE) == i + 1);
        EVENTUALLY(stat_of(supply, "creating") == 0);
        fake_clock_advance(&f->clock, pauses_ms[i] - 1);
        CHECK_INT(stat_of(supply, "creating"), 0);
        CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), i + 1);
        fake_clock_advance(&f->clock, 1);
    }
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_CREATE) == 5);
    EVENTUALLY(stat_of(supply, "creating") == 0);
    fake_clock_advance(&f->clock, 4000);
    EVENTUALLY(stat_of(supply, "idle") == 1);
    wr_supply_free(supply);
    fixture_free(f);
}

/* There is one that will come back: who waits is served by it, although no more can be made. */
TEST(a_failed_create_does_not_end_a_wait_that_has_hope)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 1, .max = 2});
    struct wr_lease lease = take(supply);
    struct taker waiter = {0}, late = {0};

    fake_driver_max_alive(f->driver, 1);
    taker_start(&waiter, supply, 0);
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_CREATE) == 2);
    EVENTUALLY(stat_of(supply, "creating") == 0);
    CHECK_INT(stat_of(supply, "waiting"), 1);
    give(supply, &lease, WR_LEASE_DONE);
    CHECK_INT(taker_join(&waiter), 0);
    taker_start(&late, supply, 10000);
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_CREATE) == 4);
    EVENTUALLY(stat_of(supply, "creating") == 0);
    fake_clock_advance(&f->clock, 10000);
    CHECK_INT(taker_join(&late), -WR_E_DEADLINE_EXCEEDED);
    CHECK(strstr(late.err.msg, "making another fails"));
    give(supply, &waiter.lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(one_that_was_lost_in_use_is_replaced)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 2, .max = 2});
    struct wr_lease lease = take(supply);

    fake_driver_lose(f->driver, wr_sandbox_id(lease.sandbox));
    give(supply, &lease, WR_LEASE_LOST);
    EVENTUALLY(stat_of(supply, "idle") == 2);
    CHECK_INT(fake_driver_alive(f->driver), 2);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(idle_ones_are_asked_whether_they_live_and_replaced_if_not)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply =
        pool(f, &(struct wr_supply_opts){.size = 2, .max = 2, .health_interval_ms = 20000});

    EVENTUALLY(stat_of(supply, "idle") == 2);
    fake_clock_advance(&f->clock, 19999);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_SET_TIMEOUT), 0);
    fake_driver_fail(f->driver, FAKE_SET_TIMEOUT, 1, 1, WR_E_NOT_FOUND);
    fake_clock_advance(&f->clock, 1);
    EVENTUALLY(stat_of(supply, "killed") == 1);
    EVENTUALLY(stat_of(supply, "idle") == 2);
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_SET_TIMEOUT) == 2);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 3);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(an_answer_that_does_not_come_replaces_nothing_until_the_time_is_over)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply =
        pool(f, &(struct wr_supply_opts){.size = 1, .max = 1, .health_interval_ms = 200000});

    EVENTUALLY(stat_of(supply, "idle") == 1);
    fake_driver_fail(f->driver, FAKE_SET_TIMEOUT, 1, 1, WR_E_UNAVAILABLE);
    fake_clock_advance(&f->clock, 150000); /* half of the sandbox's time */
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_SET_TIMEOUT) == 1);
    EVENTUALLY(stat_of(supply, "idle") == 1);
    fake_clock_wait_sleepers(&f->clock, 1);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 1);
    fake_driver_fail(f->driver, FAKE_SET_TIMEOUT, 1, 1000, WR_E_UNAVAILABLE);
    fake_clock_advance(&f->clock, 150000);
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_CREATE) == 2);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(what_the_owner_renews_does_not_end_and_what_nobody_renews_does)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 2, .max = 2});
    struct wr_lease busy = take(supply);

    EVENTUALLY(stat_of(supply, "idle") == 1);
    for (unsigned minutes = 0; minutes < 20; minutes++) {
        unsigned asked = fake_driver_calls(f->driver, FAKE_SET_TIMEOUT);
        fake_clock_advance(&f->clock, 60000);
        EVENTUALLY(fake_driver_calls(f->driver, FAKE_SET_TIMEOUT) >= asked + 2);
    }
    CHECK_INT(fake_driver_alive(f->driver), 2);
    CHECK(fake_driver_is_alive(f->driver, wr_sandbox_id(busy.sandbox)));
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 2);
    give(supply, &busy, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

/* The pool has grown for demand that is over. */
TEST(shrinks_to_its_size_when_nobody_needs_more)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply =
        pool(f, &(struct wr_supply_opts){.size = 1, .max = 4, .health_interval_ms = 10000});
    struct taker takers[3] = {0};
    struct wr_lease lease = take(supply);

    fake_driver_hold(f->driver, FAKE_CREATE);
    for (unsigned i = 0; i < 3; i++)
        taker_start(&takers[i], supply, 0);
    fake_driver_wait_held(f->driver, FAKE_CREATE, 3);
    for (unsigned i = 0; i < 3; i++) {
        wr_workflow_cancel(takers[i].workflow);
        CHECK_INT(taker_join(&takers[i]), -WR_E_CANCELED);
    }
    fake_driver_release(f->driver, FAKE_CREATE);
    EVENTUALLY(stat_of(supply, "idle") == 3);
    fake_clock_advance(&f->clock, 10000);
    EVENTUALLY(fake_driver_alive(f->driver) == 1);
    give(supply, &lease, WR_LEASE_DONE);
    EVENTUALLY(stat_of(supply, "idle") == 1);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(closing_ends_waits_and_fills)
{
    struct fixture *f = fixture_new();
    struct taker waiter = {0};

    fake_driver_hold(f->driver, FAKE_CREATE);
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 2, .max = 2});
    taker_start(&waiter, supply, 0);
    fake_driver_wait_held(f->driver, FAKE_CREATE, 2);
    EVENTUALLY(stat_of(supply, "waiting") == 1);
    wr_supply_close(supply);
    CHECK_INT(taker_join(&waiter), -WR_E_CANCELED);
    wr_supply_close(supply);
    fake_driver_release(f->driver, FAKE_CREATE);
    wr_supply_free(supply); /* kills what came late */
    fixture_free(f);
}

TEST(a_lease_outlives_the_closing)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 2, .max = 2});
    struct wr_lease lease = take(supply), more = {0};
    struct wr_error err = {0};

    wr_supply_close(supply);
    EVENTUALLY(fake_driver_alive(f->driver) == 1);
    CHECK(fake_driver_is_alive(f->driver, wr_sandbox_id(lease.sandbox)));
    CHECK_INT(wr_supply_acquire(supply, NULL, &more, &err), -WR_E_FAILED_PRECONDITION);
    give(supply, &lease, WR_LEASE_DONE);
    EVENTUALLY(fake_driver_alive(f->driver) == 0);
    wr_supply_free(supply);
    fixture_free(f);
}

static void *use_five_times(void *supply)
{
    for (unsigned round = 0; round < 5; round++) {
        struct wr_lease lease = take(supply);
        CHECK(lease.fresh);
        give(supply, &lease, round % 2 ? WR_LEASE_DONE : WR_LEASE_DIRTY);
    }
    return NULL;
}

TEST(many_threads_never_share_a_sandbox)
{
    enum { THREADS = 8 };
    struct fixture *f = fixture_new();
    struct wr_supply *supply = pool(f, &(struct wr_supply_opts){.size = 4, .max = 4});
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, use_five_times, supply), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(stat_of(supply, "leases"), 40);
    CHECK(fake_driver_peak_alive(f->driver) <= 4);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(sizes_that_contradict_each_other_are_refused)
{
    struct fixture *f = fixture_new();
    struct wr_error err = {0};

    CHECK(!wr_supply_pool(f->client, WR_OPTS(wr_supply_opts, .size = 5, .max = 4), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(!wr_supply_pool(f->client, WR_OPTS(wr_supply_opts, .min_idle = 30), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    fixture_free(f);
}

static bool shows(struct wr_telemetry *telemetry, const char *line)
{
    char *text = wr_telemetry_prometheus(telemetry);
    bool found = text && strstr(text, line);

    wr_free(text);
    return found;
}

TEST(figures_come_back_to_nothing)
{
    struct fixture *f = fixture_new();
    struct wr_error err = {0};
    struct wr_telemetry *telemetry =
        wr_telemetry_new(WR_OPTS(wr_telemetry_opts, .otlp_endpoint = ""), &err);
    CHECK(telemetry);
    struct wr_supply *supply =
        pool(f, &(struct wr_supply_opts){.size = 2, .max = 2, .telemetry = telemetry});

    EVENTUALLY(stat_of(supply, "idle") == 2);
    CHECK(shows(telemetry, "code_execution_pool_sandboxes{state=\"idle\"} 2\n"));
    CHECK(shows(telemetry, "code_execution_sandboxes_active 2\n"));
    struct wr_lease lease = take(supply);
    CHECK(shows(telemetry, "code_execution_pool_sandboxes{state=\"busy\"} 1\n"));
    give(supply, &lease, WR_LEASE_DONE);
    EVENTUALLY(stat_of(supply, "idle") == 2);
    wr_supply_free(supply);
    CHECK(shows(telemetry, "code_execution_pool_sandboxes{state=\"idle\"} 0\n"));
    CHECK(shows(telemetry, "code_execution_pool_sandboxes{state=\"busy\"} 0\n"));
    CHECK(shows(telemetry, "code_execution_sandboxes_active 0\n"));
    CHECK(shows(telemetry, "code_execution_sandboxes_total 3\n"));
    wr_telemetry_free(telemetry);
    fixture_free(f);
}
