/*
 * Executions that are going on, by key: whoever comes with a key that is there waits for the one
 * that began with it (its leader) and gets what that got. Thread-safe.
 */
#pragma once

#include "primitives/cache/store.h"
#include "warren/workflow.h"

struct wr_flights;
struct wr_flight;

struct wr_flights *wr_flights_new(struct wr_error *err);
/* None may be going on. Accepts NULL, returns NULL. */
struct wr_flights *wr_flights_free(struct wr_flights *flights);

/* How many have ended well: when it has not changed, nothing was stored meanwhile. */
uint64_t wr_flights_landed(struct wr_flights *flights);

enum wr_flight_role { WR_FLIGHT_LEADER = 1, WR_FLIGHT_WAITER = 2 };
/* An enum wr_flight_role, or -WR_E_*. *ret is to be given to the function for that role. */
int wr_flight_join(struct wr_flights *flights, const char *key, struct wr_flight **ret,
                   struct wr_error *err);

/* What a leader got, for all that wait. */
struct wr_flight_end {
    bool gave_up;                 /* its caller's fault: one of those who wait has to lead */
    struct wr_value *value;       /* borrowed; NULL with an error */
    const struct wr_error *error; /* NULL with a value */
};
void wr_flight_land(struct wr_flights *flights, struct wr_flight *flight,
                    const struct wr_flight_end *end);
/* Waits as long as the workflow lets it. 0 with a value of the caller's own, the leader's error, or
 * CANCELED and DEADLINE_EXCEEDED of the workflow. 1: the leader gave up, join again. */
int wr_flight_wait(struct wr_flights *flights, struct wr_flight *flight,
                   struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err);
