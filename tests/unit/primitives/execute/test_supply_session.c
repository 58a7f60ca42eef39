#include "supply_fixture.h"

#define AGE_S 3300

static struct wr_supply *session(struct fixture *f, const struct wr_supply_opts *given)
{
    struct wr_supply_opts opts = given ? *given : (struct wr_supply_opts){0};
    struct wr_error err = {0};

    opts.struct_size = sizeof opts;
    opts.clock = &f->clock.clock;
    struct wr_supply *supply = wr_supply_session(f->client, &opts, &err);
    if (!supply)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return supply;
}

TEST(all_leases_have_one_sandbox)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, NULL);
    struct wr_lease a = take(supply), b = take(supply);

    CHECK_STR(wr_sandbox_id(a.sandbox), wr_sandbox_id(b.sandbox));
    CHECK(a.fresh && !b.fresh);
    give(supply, &a, WR_LEASE_DONE);
    give(supply, &b, WR_LEASE_DONE);
    a = take(supply);
    CHECK(!a.fresh);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 1);
    struct wr_value *created = fake_driver_created_with(f->driver, wr_sandbox_id(a.sandbox));
    CHECK_INT(wr_value_int(created, "timeout_s", 0), AGE_S + 300);
    wr_value_free(created);
    give(supply, &a, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(concurrent_first_leases_make_one_sandbox)
{
    enum { THREADS = 8 };
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, NULL);
    struct taker takers[THREADS] = {0};

    fake_driver_hold(f->driver, FAKE_CREATE);
    for (unsigned i = 0; i < THREADS; i++)
        taker_start(&takers[i], supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == THREADS);
    fake_driver_release(f->driver, FAKE_CREATE);
    unsigned fresh = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_INT(taker_join(&takers[i]), 0);
        CHECK_STR(wr_sandbox_id(takers[i].lease.sandbox), wr_sandbox_id(takers[0].lease.sandbox));
        fresh += takers[i].lease.fresh;
    }
    CHECK_INT(fresh, 1);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 1);
    for (unsigned i = 0; i < THREADS; i++)
        give(supply, &takers[i].lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(rotates_at_the_age_and_not_before)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, NULL);
    struct wr_lease lease = take(supply);
    char first[WR_SANDBOX_ID_MAX];

    id_of(&lease, first);
    give(supply, &lease, WR_LEASE_DONE);
    fake_clock_advance(&f->clock, AGE_S * 1000 - 1);
    lease = take(supply);
    CHECK_STR(wr_sandbox_id(lease.sandbox), first);
    give(supply, &lease, WR_LEASE_DONE);
    fake_clock_advance(&f->clock, 1);
    lease = take(supply);
    CHECK(strcmp(wr_sandbox_id(lease.sandbox), first) != 0);
    CHECK(lease.fresh);
    CHECK_INT(lease.number, 2);
    EVENTUALLY(!fake_driver_is_alive(f->driver, first));
    CHECK_INT(stat_of(supply, "rotations"), 1);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_rotation_waits_for_leases)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, &(struct wr_supply_opts){.max_age_s = 100});
    struct wr_lease lease = take(supply);
    struct taker next = {0};
    char first[WR_SANDBOX_ID_MAX];

    id_of(&lease, first);
    fake_clock_advance(&f->clock, 100000);
    taker_start(&next, supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 1);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 1);
    give(supply, &lease, WR_LEASE_DONE);
    CHECK_INT(taker_join(&next), 0);
    CHECK(strcmp(wr_sandbox_id(next.lease.sandbox), first) != 0);
    EVENTUALLY(!fake_driver_is_alive(f->driver, first));
    give(supply, &next.lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(but_not_for_ever_and_the_old_sandbox_lives_until_its_leases_end)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, &(struct wr_supply_opts){.max_age_s = 100});
    struct wr_lease slow = take(supply);
    struct taker next = {0};
    char first[WR_SANDBOX_ID_MAX];

    id_of(&slow, first);
    fake_clock_advance(&f->clock, 100000);
    taker_start(&next, supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 1);
    fake_clock_wait_sleepers(&f->clock, 1);
    fake_clock_advance(&f->clock, 59999);
    CHECK_INT(stat_of(supply, "waiting"), 1);
    fake_clock_advance(&f->clock, 1);
    CHECK_INT(taker_join(&next), 0);
    CHECK(strcmp(wr_sandbox_id(next.lease.sandbox), first) != 0);
    CHECK(fake_driver_is_alive(f->driver, first));
    struct wr_lease third = take(supply);
    CHECK_STR(wr_sandbox_id(third.sandbox), wr_sandbox_id(next.lease.sandbox));
    give(supply, &slow, WR_LEASE_DONE);
    EVENTUALLY(!fake_driver_is_alive(f->driver, first));
    give(supply, &next.lease, WR_LEASE_DONE);
    give(supply, &third, WR_LEASE_DONE);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 2);
    wr_supply_free(supply);
    fixture_free(f);
}

static void replaced_after(enum wr_lease_end end)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, NULL);
    struct wr_lease a = take(supply), b = take(supply);
    char first[WR_SANDBOX_ID_MAX];

    id_of(&a, first);
    give(supply, &a, end);
    struct wr_lease c = take(supply);
    CHECK(strcmp(wr_sandbox_id(c.sandbox), first) != 0);
    /* Who still has a lease of the old one keeps it. */
    CHECK(fake_driver_is_alive(f->driver, first));
    give(supply, &b, WR_LEASE_DONE);
    EVENTUALLY(!fake_driver_is_alive(f->driver, first));
    give(supply, &c, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_lost_sandbox_is_replaced)
{
    replaced_after(WR_LEASE_LOST);
}

TEST(a_dirty_sandbox_is_replaced)
{
    replaced_after(WR_LEASE_DIRTY);
}

TEST(who_waits_for_the_last_lease_gets_a_new_one_when_that_was_lost)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, &(struct wr_supply_opts){.max_age_s = 100});
    struct wr_lease lease = take(supply);
    struct taker next = {0};

    fake_clock_advance(&f->clock, 100000);
    taker_start(&next, supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 1);
    give(supply, &lease, WR_LEASE_LOST);
    CHECK_INT(taker_join(&next), 0);
    give(supply, &next.lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_create_that_fails_is_everybodys_error_and_tried_again_by_the_next)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, NULL);
    struct taker takers[3] = {0};

    fake_driver_hold(f->driver, FAKE_CREATE);
    fake_driver_fail(f->driver, FAKE_CREATE, 1, 1, WR_E_PERMISSION_DENIED);
    for (unsigned i = 0; i < 3; i++)
        taker_start(&takers[i], supply, 0);
    EVENTUALLY(stat_of(supply, "waiting") == 3);
    fake_driver_release(f->driver, FAKE_CREATE);
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(taker_join(&takers[i]), -WR_E_PERMISSION_DENIED);
    struct wr_lease lease = take(supply);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

/* Better an old one than none, as long as its server keeps it. */
TEST(the_old_sandbox_serves_on_when_there_is_no_new_one)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, &(struct wr_supply_opts){.max_age_s = 100});
    struct wr_lease lease = take(supply);
    struct wr_error err = {0};
    char first[WR_SANDBOX_ID_MAX];

    id_of(&lease, first);
    give(supply, &lease, WR_LEASE_DONE);
    fake_driver_fail(f->driver, FAKE_CREATE, 1, 2, WR_E_RESOURCE_EXHAUSTED);
    fake_clock_advance(&f->clock, 100000);
    lease = take(supply);
    CHECK_STR(wr_sandbox_id(lease.sandbox), first);
    give(supply, &lease, WR_LEASE_DONE);
    fake_clock_advance(&f->clock, 240000);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), -WR_E_RESOURCE_EXHAUSTED);
    lease = take(supply);
    CHECK(strcmp(wr_sandbox_id(lease.sandbox), first) != 0);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_wait_for_the_first_sandbox_can_be_cancelled_and_the_sandbox_serves_the_next)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, NULL);
    struct taker gone = {0};

    fake_driver_hold(f->driver, FAKE_CREATE);
    taker_start(&gone, supply, 0);
    fake_driver_wait_held(f->driver, FAKE_CREATE, 1);
    wr_workflow_cancel(gone.workflow);
    CHECK_INT(taker_join(&gone), -WR_E_CANCELED);
    fake_driver_release(f->driver, FAKE_CREATE);
    struct wr_lease lease = take(supply);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CREATE), 1);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(closing_ends_waits_and_what_is_being_made)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, NULL);
    struct taker waiter = {0};

    fake_driver_hold(f->driver, FAKE_CREATE);
    taker_start(&waiter, supply, 0);
    fake_driver_wait_held(f->driver, FAKE_CREATE, 1);
    wr_supply_close(supply);
    CHECK_INT(taker_join(&waiter), -WR_E_CANCELED);
    wr_supply_close(supply);
    fake_driver_release(f->driver, FAKE_CREATE);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(closing_during_a_rotation_leaves_nothing)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = session(f, &(struct wr_supply_opts){.max_age_s = 100});
    struct wr_lease lease = take(supply);
    struct taker waiter = {0};

    give(supply, &lease, WR_LEASE_DONE);
    fake_clock_advance(&f->clock, 100000);
    fake_driver_hold(f->driver, FAKE_CREATE);
    fake_driver_fail(f->driver, FAKE_CREATE, 1, 1, WR_E_PERMISSION_DENIED);
    taker_start(&waiter, supply, 0);
    fake_driver_wait_held(f->driver, FAKE_CREATE, 1);
    wr_supply_close(supply);
    CHECK_INT(taker_join(&waiter), -WR_E_CANCELED);
    fake_driver_release(f->driver, FAKE_CREATE);
    wr_supply_free(supply);
    fixture_free(f);
}
