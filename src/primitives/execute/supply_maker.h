/*
 * The maker: what all supplies do alike. It makes sandboxes with the caller's options and a setup
 * cell, ends them in a thread of its own, and measures both.
 *
 * Each sandbox carries the kind of its supply as metadata (warren.supply). One whose creation
 * seemed to fail is the client's to find and kill; what that misses ends with its time at the
 * server.
 */
#pragma once

#include <stdatomic.h>

#include "primitives/execute/supply.h"
#include "primitives/execute/supply_crew.h"
#include "primitives/execute/supply_scope.h"
#include "primitives/execute/supply_template.h"
#include "warren/recovery.h"
#include "warren/telemetry.h"

#define WR_SUPPLY_TIMEOUT_S   ((uint64_t)300) /* of a sandbox at its server, when nobody says */
#define WR_SUPPLY_CREATE_MS   ((uint64_t)60000)
#define WR_SUPPLY_THREADS_MAX 8

struct wr_maker {
    const char *kind;
    struct wr_client *client;
    struct wr_supply_template tmpl;
    char *setup;                    /* NULL: none */
    uint64_t create_timeout_ms;     /* setup included */
    struct wr_telemetry *telemetry; /* NULL: none of its own */
    struct wr_workflow *workflow;   /* of what happens outside of any; NULL without telemetry */
    const struct wr_clock *clock;
    struct wr_crew *crew;
    struct wr_cancel *closing;          /* fired by wr_maker_close() */
    char scope[WR_PRIMITIVE_SCOPE_MAX]; /* of the supply */
    atomic_uint_fast64_t created, killed;
};

/* A sandbox that was made, and what ending it needs. */
struct wr_made {
    struct wr_sandbox *sandbox;     /* held */
    struct wr_telemetry *telemetry; /* held: what counted it as alive */
    uint64_t made_ms;               /* of the maker's clock */
    double create_s;                /* what the server took to make it */
};

/* `opts` were read by wr_options_read(). `client` NULL: a new one with defaults. On failure nothing
 * is left, except what wr_maker_done() accepts. */
int wr_maker_init(struct wr_maker *maker, const char *kind, struct wr_client *client,
                  const struct wr_supply_opts *opts, struct wr_error *err) WR_MUST_CHECK;
/* Waits do not wait any more. May be called again, from any thread. */
void wr_maker_close(struct wr_maker *maker);
/* After close: waits for its jobs. Accepts a zeroed maker and one that was closed only. */
void wr_maker_done(struct wr_maker *maker);

/* `workflow` NULL: outside of any, without a token: at most `create_timeout_ms` long. */
int wr_maker_create(struct wr_maker *maker, struct wr_workflow *workflow, uint64_t timeout_s,
                    struct wr_made *ret, struct wr_error *err) WR_MUST_CHECK;
/* When the supply has no telemetry, the sandbox belongs to that of the first workflow with a lease.
 */
void wr_maker_adopt(const struct wr_maker *maker, const struct wr_workflow *workflow,
                    struct wr_made *made);
/* Runs the setup cell, if there is one. FAILED_PRECONDITION: it fails. */
int wr_maker_setup(const struct wr_maker *maker, struct wr_sandbox *sandbox,
                   const struct wr_wait *wait, struct wr_error *err) WR_MUST_CHECK;
/* Blocks until the sandbox is killed, or several attempts have failed; then its server's timeout
 * ends it. Zeroes `made`; accepts a zeroed one. */
void wr_maker_kill(struct wr_maker *maker, struct wr_made *made);
/* The same in a thread of the crew. */
void wr_maker_kill_later(struct wr_maker *maker, struct wr_made *made);

uint64_t wr_maker_now_ms(const struct wr_maker *maker);
/* The supply's own telemetry, else the workflow's (which may be NULL); borrowed, or NULL. */
struct wr_telemetry *wr_maker_telemetry(const struct wr_maker *maker,
                                        const struct wr_workflow *workflow);
/* Where an event is told: `workflow`, or the supply's own where that has no telemetry; NULL. */
struct wr_workflow *wr_maker_workflow(const struct wr_maker *maker, struct wr_workflow *workflow);
double wr_maker_age_s(const struct wr_maker *maker, const struct wr_made *made);
