#include "base/error.h"
#include "json/value.h"
#include "primitives/cache/flight.h"
#include "support/primitive_call.h"
#include "test.h"

#define KEY "0000000000000000000000000000000000000000000000000000000000000000"

struct setting {
    struct wr_flights *flights;
    struct wr_flight *leader, *waiter;
    struct wr_workflow *workflow;
    struct wr_error err;
};

static void set_up(struct setting *s)
{
    *s = (struct setting){0};
    s->flights = wr_flights_new(&s->err);
    s->workflow = wr_workflow_new(NULL, &s->err);
    CHECK_INT(wr_flight_join(s->flights, KEY, &s->leader, &s->err), WR_FLIGHT_LEADER);
    CHECK_INT(wr_flight_join(s->flights, KEY, &s->waiter, &s->err), WR_FLIGHT_WAITER);
}

static void tear_down(struct setting *s)
{
    wr_workflow_free(s->workflow);
    wr_flights_free(s->flights);
}

TEST(the_value_is_shared)
{
    struct setting s;
    wr_auto_value *value = wr_value_of_int(5);
    wr_auto_value *got = NULL;
    set_up(&s);
    CHECK_INT(wr_flights_landed(s.flights), 0);
    wr_flight_land(s.flights, s.leader, &(struct wr_flight_end){.value = value});
    CHECK_INT(wr_flights_landed(s.flights), 1);
    CHECK_INT(wr_flight_wait(s.flights, s.waiter, s.workflow, &got, &s.err), 0);
    CHECK(got == value);
    tear_down(&s);
}

TEST(the_error_is_shared)
{
    struct setting s;
    struct wr_error error = {0};
    struct wr_value *got = NULL;
    set_up(&s);
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "away");
    error.retry_after_ms = 5;
    wr_flight_land(s.flights, s.leader, &(struct wr_flight_end){.error = &error});
    CHECK_INT(wr_flights_landed(s.flights), 0);
    CHECK_INT(wr_flight_wait(s.flights, s.waiter, s.workflow, &got, &s.err), -WR_E_UNAVAILABLE);
    CHECK_STR(s.err.msg, "away");
    CHECK_INT(s.err.retry_after_ms, 5);
    tear_down(&s);
}

TEST(one_that_gave_up_is_told_to_those_who_wait)
{
    struct setting s;
    struct wr_error error = {.code = WR_E_CANCELED};
    struct wr_value *got = NULL;
    set_up(&s);
    wr_flight_land(s.flights, s.leader, &(struct wr_flight_end){.gave_up = true, .error = &error});
    struct wr_flight *next = NULL;
    CHECK_INT(wr_flight_join(s.flights, KEY, &next, &s.err), WR_FLIGHT_LEADER);
    CHECK_INT(wr_flight_wait(s.flights, s.waiter, s.workflow, &got, &s.err), 1);
    wr_flight_land(s.flights, next, &(struct wr_flight_end){.error = &error});
    tear_down(&s);
}

TEST(waiting_ends_with_the_workflow)
{
    struct setting s;
    struct wr_value *got = NULL;
    struct wr_error error = {.code = WR_E_UNAVAILABLE};
    set_up(&s);
    wr_workflow_cancel(s.workflow);
    CHECK_INT(wr_flight_wait(s.flights, s.waiter, s.workflow, &got, &s.err), -WR_E_CANCELED);
    wr_workflow_free(s.workflow);
    s.workflow = wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 5), &s.err);
    CHECK_INT(wr_flight_join(s.flights, KEY, &s.waiter, &s.err), WR_FLIGHT_WAITER);
    CHECK_INT(wr_flight_wait(s.flights, s.waiter, s.workflow, &got, &s.err),
              -WR_E_DEADLINE_EXCEEDED);
    wr_flight_land(s.flights, s.leader, &(struct wr_flight_end){.error = &error});
    tear_down(&s);
}

TEST(other_keys_have_their_own)
{
    struct setting s;
    struct wr_flight *other = NULL;
    struct wr_error error = {.code = WR_E_UNAVAILABLE};
    struct wr_value *got = NULL;
    char key[] = KEY;
    set_up(&s);
    key[63] = '1';
    CHECK_INT(wr_flight_join(s.flights, key, &other, &s.err), WR_FLIGHT_LEADER);
    wr_flight_land(s.flights, other, &(struct wr_flight_end){.error = &error});
    wr_flight_land(s.flights, s.leader, &(struct wr_flight_end){.error = &error});
    CHECK_INT(wr_flight_wait(s.flights, s.waiter, s.workflow, &got, &s.err), -WR_E_UNAVAILABLE);
    tear_down(&s);
}
