/** @file
 * Where the sandboxes of an executor come from: a new one each time, one that is kept and replaced
 * in time, or a pool.
 *
 * A lease is a sandbox for one use. Thread-safe.
 */
#pragma once

#include "warren/workflow.h"

WR_BEGIN_DECLS

struct wr_supply;

/** How a lease has ended. */
enum wr_lease_end {
    WR_LEASE_DONE = 0,  /**< used as intended */
    WR_LEASE_DIRTY = 1, /**< may not serve anybody else: code that could not be stopped, an error */
    WR_LEASE_LOST = 2,  /**< the sandbox is gone */
};

/** Plain data; the sandbox is borrowed until wr_supply_release(). */
struct wr_lease {
    struct wr_sandbox *sandbox; /**< to use until the release */
    double init_ms;             /**< what getting it took */
    bool fresh;                 /**< nobody has used the sandbox before */
    uint64_t number;            /**< of the sandbox in its supply; for its owner */
    void *entry;                /**< private */
};

/** For all three. Borrowed during the call, what is needed later is copied. */
struct wr_supply_opts {
    size_t struct_size;
    const struct wr_sandbox_opts *sandbox; /**< NULL: defaults. Its metadata gets "warren.supply" */
    const char *setup;              /**< a cell that each new sandbox runs first; NULL: none */
    uint64_t create_timeout_ms;     /**< 0: 60,000 */
    struct wr_telemetry *telemetry; /**< for what happens outside of a workflow; held; or NULL */
    /* session */
    uint64_t max_age_s;   /**< a sandbox is replaced then; 0: 3,300 */
    bool carry_files;     /**< the home directory moves on to the next sandbox (at most 256 MiB) */
    bool carry_variables; /**< Python variables that can be pickled move on too */
    /* pool */
    unsigned size;       /**< how many the pool wants ready or in use; 0: 10 */
    unsigned min_idle;   /**< ready ones that it keeps beyond those in use, up to `max`; 0: none */
    unsigned max;        /**< 0: the larger of `size` and 20 */
    bool reset_in_place; /**< a sandbox is cleaned and used again instead of being replaced: see
                            docs/guides/pool.md for what that does and does not promise */
    uint64_t health_interval_ms;  /**< idle sandboxes are asked whether they live; 0: 30,000 */
    const struct wr_clock *clock; /**< for tests (recovery.h); NULL: the system's */
};

/** A new sandbox for each lease, killed at its end. `client` NULL: wr_client_new() with defaults;
 * else one more holder of it. */
WR_PUBLIC struct wr_supply *wr_supply_ephemeral(struct wr_client *client,
                                                const struct wr_supply_opts *opts,
                                                struct wr_error *err);
/** One sandbox for all leases, at most one lease at a time per interpreter context: concurrent
 * leases share it. Replaced before its age reaches the limit, when no lease is running. */
WR_PUBLIC struct wr_supply *wr_supply_session(struct wr_client *client,
                                              const struct wr_supply_opts *opts,
                                              struct wr_error *err);
/** A pool with a thread that fills it. Waiting is first come, first served. */
WR_PUBLIC struct wr_supply *wr_supply_pool(struct wr_client *client,
                                           const struct wr_supply_opts *opts, struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_supply *wr_supply_ref(struct wr_supply *supply);
/** From now on nobody gets a lease: those who wait get CANCELED, later ones FAILED_PRECONDITION.
 * Idle sandboxes are killed, leased ones when they are released; wr_supply_free() waits for that.
 * May be called again. Accepts NULL. */
WR_PUBLIC void wr_supply_close(struct wr_supply *supply);
/** One holder less. The last one kills the sandboxes and waits for its threads; leases must have
 * been released. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_supply *wr_supply_free(struct wr_supply *supply);

/** Waits for one within the workflow's time. DEADLINE_EXCEEDED says how many wait,
 * RESOURCE_EXHAUSTED that the server gives no more. A pool that cannot make sandboxes, and has none
 * that could come back, says why at once. `workflow` NULL: as long as it takes. */
WR_PUBLIC int wr_supply_acquire(struct wr_supply *supply, struct wr_workflow *workflow,
                                struct wr_lease *ret, struct wr_error *err);
/** Zeroes `lease`. Does not wait for what follows (killing, cleaning). */
WR_PUBLIC void wr_supply_release(struct wr_supply *supply, struct wr_lease *lease,
                                 enum wr_lease_end end);
/** {"kind", "created", "killed", "idle", "busy", "creating", "waiting", "leases", "rotations",
 *  "resets", "resets_refused", "oldest_age_s"}; the caller's. */
WR_PUBLIC struct wr_value *wr_supply_stats(struct wr_supply *supply);

WR_END_DECLS
