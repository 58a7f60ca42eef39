#include "base/error.h"
#include "supply_fixture.h"
#include "support/fake_driver_internal.h"

static struct wr_supply *ephemeral(struct fixture *f, const struct wr_supply_opts *given)
{
    struct wr_supply_opts opts = given ? *given : (struct wr_supply_opts){0};
    struct wr_error err = {0};

    opts.struct_size = sizeof opts;
    opts.clock = &f->clock.clock;
    struct wr_supply *supply = wr_supply_ephemeral(f->client, &opts, &err);
    if (!supply)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return supply;
}

TEST(each_lease_has_a_sandbox_of_its_own_that_is_killed)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = ephemeral(f, NULL);
    struct wr_lease a = take(supply), b = take(supply);

    CHECK(strcmp(wr_sandbox_id(a.sandbox), wr_sandbox_id(b.sandbox)) != 0);
    CHECK(a.fresh && b.fresh && a.number != b.number);
    CHECK_INT(fake_driver_alive(f->driver), 2);
    CHECK_INT(stat_of(supply, "busy"), 2);
    give(supply, &a, WR_LEASE_DONE);
    give(supply, &b, WR_LEASE_DIRTY);
    EVENTUALLY(fake_driver_alive(f->driver) == 0);
    EVENTUALLY(stat_of(supply, "killed") == 2);
    CHECK_INT(stat_of(supply, "created"), 2);
    CHECK_INT(stat_of(supply, "leases"), 2);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_lease_that_was_released_is_released_once)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = ephemeral(f, NULL);
    struct wr_lease lease = take(supply);

    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_KILL), 1);
    fixture_free(f);
}

TEST(metadata_says_what_it_is_for_and_keeps_the_callers)
{
    struct fixture *f = fixture_new();
    const char *metadata[] = {"team=blue", "workflow_id=mine"};
    const struct wr_sandbox_opts sandbox = {
        .struct_size = sizeof sandbox, .metadata = metadata, .metadata_count = 2};
    struct wr_supply *supply = ephemeral(f, &(struct wr_supply_opts){.sandbox = &sandbox});
    struct wr_error err = {0};
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .correlation_id = "req-1", .workflow_id = "flow",
                                .session_id = "chat"),
                        &err);
    struct wr_lease lease = {0};

    CHECK_INT(wr_supply_acquire(supply, workflow, &lease, &err), 0);
    struct wr_value *created = fake_driver_created_with(f->driver, wr_sandbox_id(lease.sandbox));
    CHECK_STR(metadata_of(created, "warren.supply"), "ephemeral");
    CHECK_STR(metadata_of(created, "team"), "blue");
    CHECK_STR(metadata_of(created, "workflow_id"), "mine");
    CHECK_STR(metadata_of(created, "correlation_id"), "req-1");
    CHECK_STR(metadata_of(created, "session_id"), "chat");
    wr_value_free(created);
    give(supply, &lease, WR_LEASE_DONE);
    wr_workflow_free(workflow);
    wr_supply_free(supply);
    fixture_free(f);
}

static int64_t timeout_of(struct fixture *f, const struct wr_supply_opts *opts,
                          struct wr_workflow *workflow)
{
    struct wr_supply *supply = ephemeral(f, opts);
    struct wr_lease lease = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_supply_acquire(supply, workflow, &lease, &err), 0);
    struct wr_value *created = fake_driver_created_with(f->driver, wr_sandbox_id(lease.sandbox));
    int64_t timeout_s = wr_value_int(created, "timeout_s", -1);
    wr_value_free(created);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    return timeout_s;
}

TEST(a_sandbox_lives_as_long_as_its_workflow_and_a_minute)
{
    struct fixture *f = fixture_new();
    struct wr_workflow *minutes = workflow_of(90000), *days = workflow_of(7 * 86400000ULL);
    const struct wr_sandbox_opts sandbox = {.struct_size = sizeof sandbox, .timeout_s = 7200};

    CHECK_INT(timeout_of(f, NULL, NULL), 300);
    int64_t timeout_s = timeout_of(f, NULL, minutes);
    CHECK(timeout_s > 60 && timeout_s <= 150);
    CHECK_INT(timeout_of(f, NULL, days), 3600);
    CHECK_INT(timeout_of(f, &(struct wr_supply_opts){.sandbox = &sandbox}, NULL), 7200);
    CHECK_INT(timeout_of(f, &(struct wr_supply_opts){.sandbox = &sandbox}, days), 7200);
    wr_workflow_free(minutes);
    wr_workflow_free(days);
    fixture_free(f);
}

TEST(an_error_of_the_create_is_the_errors_of_the_lease)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = ephemeral(f, NULL);
    struct wr_lease lease = {0};
    struct wr_error err = {0};

    fake_driver_fail(f->driver, FAKE_CREATE, 1, 1, WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK(!lease.entry);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_LIST), 0);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(the_setup_runs_in_each_new_sandbox)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = ephemeral(f, &(struct wr_supply_opts){.setup = "import numpy"});
    struct wr_lease a = take(supply), b = take(supply);
    char *log = fake_driver_log(f->driver);

    CHECK_INT(fake_driver_calls(f->driver, FAKE_CODE), 2);
    CHECK(strstr(log, "import numpy"));
    free(log);
    give(supply, &a, WR_LEASE_DONE);
    give(supply, &b, WR_LEASE_DONE);
    wr_supply_free(supply);
    fixture_free(f);
}

static int failing_code(struct fake_driver *driver, const struct wr_call *call,
                        const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                        struct wr_error *err)
{
    (void)driver;
    (void)call;
    (void)opts;
    (void)data;
    (void)err;
    *ret = fake_code_result("", "", NULL, "ModuleNotFoundError", "No module named 'numpy'");
    return 0;
}

TEST(a_setup_that_fails_leaves_no_sandbox)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = ephemeral(f, &(struct wr_supply_opts){.setup = "import numpy"});
    struct wr_lease lease = {0};
    struct wr_error err = {0};

    fake_driver_on_code(f->driver, failing_code, NULL);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "ModuleNotFoundError: No module named"));
    EVENTUALLY(fake_driver_alive(f->driver) == 0);
    wr_supply_free(supply);
    fixture_free(f);
}

TEST(a_kill_that_fails_is_tried_again)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = ephemeral(f, NULL);
    struct wr_lease lease = take(supply);

    fake_driver_fail(f->driver, FAKE_KILL, 1, 2, WR_E_UNAVAILABLE);
    give(supply, &lease, WR_LEASE_DONE);
    fake_clock_wait_sleepers(&f->clock, 1);
    fake_clock_advance(&f->clock, 500);
    EVENTUALLY(fake_driver_calls(f->driver, FAKE_KILL) == 2);
    fake_clock_wait_sleepers(&f->clock, 1);
    wr_supply_free(supply); /* does not wait for the pause */
    CHECK_INT(fake_driver_calls(f->driver, FAKE_KILL), 3);
    fixture_free(f);
}

TEST(closed_for_good)
{
    struct fixture *f = fixture_new();
    struct wr_supply *supply = ephemeral(f, NULL);
    struct wr_lease lease = take(supply), later = {0};
    struct wr_error err = {0};

    wr_supply_close(supply);
    wr_supply_close(supply);
    CHECK_INT(wr_supply_acquire(supply, NULL, &later, &err), -WR_E_FAILED_PRECONDITION);
    give(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    wr_supply_close(NULL);
    CHECK(!wr_supply_free(NULL));
    fixture_free(f);
}

TEST(options_are_checked)
{
    struct fixture *f = fixture_new();
    struct wr_error err = {0};
    const struct wr_supply_opts unsized = {.create_timeout_ms = 5};
    const struct wr_sandbox_opts wrong = {.struct_size = sizeof wrong, .env_count = 2};

    CHECK(!wr_supply_ephemeral(f->client, &unsized, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(!wr_supply_ephemeral(f->client, WR_OPTS(wr_supply_opts, .sandbox = &wrong), &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    fixture_free(f);
}
