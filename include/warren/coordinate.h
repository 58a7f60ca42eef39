/** @file
 * For threads of the caller's process that drive sandboxes: barriers, channels, leases on names.
 * All functions are thread-safe; waiting ends with the workflow.
 */
#pragma once

#include "warren/workflow.h"

WR_BEGIN_DECLS

struct wr_barrier;
struct wr_channel;
struct wr_leases;

/** Lets `parties` (>= 1) go on when all of them have come; then it starts again. */
WR_PUBLIC struct wr_barrier *wr_barrier_new(unsigned parties, struct wr_error *err);
/** *ret_number (may be NULL): 0 for the last to come, so that one of them can do what is to be done
 * once. When a waiting party's workflow ends, all who wait get ABORTED and the barrier is broken.
 */
WR_PUBLIC int wr_barrier_wait(struct wr_barrier *barrier, struct wr_workflow *workflow,
                              unsigned *ret_number, struct wr_error *err);
/** Nobody may wait. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_barrier *wr_barrier_free(struct wr_barrier *barrier);

/** A queue of at most `capacity` values (0: each send waits for its receiver). */
WR_PUBLIC struct wr_channel *wr_channel_new(unsigned capacity, struct wr_error *err);
/** `value` is consumed on success. ABORTED when it is closed. */
WR_PUBLIC int wr_channel_send(struct wr_channel *channel, struct wr_workflow *workflow,
                              struct wr_value *value, struct wr_error *err);
/** What was sent before the close is still received; then OUT_OF_RANGE. */
WR_PUBLIC int wr_channel_receive(struct wr_channel *channel, struct wr_workflow *workflow,
                                 struct wr_value **ret, struct wr_error *err);
/** Nobody sends any more. */
WR_PUBLIC void wr_channel_close(struct wr_channel *channel);
/** Nobody may wait. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_channel *wr_channel_free(struct wr_channel *channel);

/** Names that one party at a time holds, for a time. */
WR_PUBLIC struct wr_leases *wr_leases_new(struct wr_error *err);
/** Waits for the name, holds it at most `ttl_ms`. *ret_token grows with each lease of the name, so
 * that who has lost one can be told from who has it. First come, first served. */
WR_PUBLIC int wr_leases_take(struct wr_leases *leases, const char *name, uint64_t ttl_ms,
                             struct wr_workflow *workflow, uint64_t *ret_token,
                             struct wr_error *err);
/** FAILED_PRECONDITION when the lease has passed to another. */
WR_PUBLIC int wr_leases_renew(struct wr_leases *leases, const char *name, uint64_t token,
                              uint64_t ttl_ms, struct wr_error *err);
/** One that has passed on is no error. */
WR_PUBLIC void wr_leases_give(struct wr_leases *leases, const char *name, uint64_t token);
/** Nobody may wait. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_leases *wr_leases_free(struct wr_leases *leases);

WR_END_DECLS
