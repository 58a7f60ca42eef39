/** @file
 * Workflows: what belongs to one request while it passes through primitives: its ids, its trace,
 * its state, its end.
 *
 * The WorkflowContext of the Python package. ("Context" alone is an interpreter's, in Warren.)
 * Thread-safe. A child shares state and telemetry with its parent and is cancelled with it.
 */
#pragma once

#include "warren/cancel.h"
#include "warren/code.h"
#include "warren/value.h"

WR_BEGIN_DECLS

struct wr_workflow;
struct wr_telemetry;

/** Text is copied. */
struct wr_workflow_opts {
    size_t struct_size;
    const char *workflow_id;    /**< NULL: a new UUID */
    const char *correlation_id; /**< NULL: a new UUID */
    const char *session_id;     /**< NULL: none */
    /** The trace that this belongs to, W3C ("00-<32 hex>-<16 hex>-01"). NULL: a new trace, sampled.
     * INVALID_ARGUMENT when it is not of that form. */
    const char *traceparent;
    const char *tracestate;         /**< passed on as it is; NULL: none */
    struct wr_telemetry *telemetry; /**< held by the workflow; NULL: nothing is measured */
    struct wr_cancel *cancel;       /**< held; NULL: only wr_workflow_cancel() */
    uint64_t timeout_ms;            /**< for everything in it; 0: none */
    /** Output as it comes, from the threads that run code; calls for one execution come one after
     * the other. What wrappers change (redaction, limits) is changed in it too. NULL: none. */
    wr_code_fn on_event;
    void *on_event_data;
};

/** NULL on failure. */
WR_PUBLIC struct wr_workflow *wr_workflow_new(const struct wr_workflow_opts *opts,
                                              struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_workflow *wr_workflow_ref(struct wr_workflow *workflow);
/** One holder less. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_workflow *wr_workflow_free(struct wr_workflow *workflow);

/** A part of `parent` that can be cancelled alone, or has less time (`timeout_ms` 0: its parent's).
 */
WR_PUBLIC struct wr_workflow *wr_workflow_child(struct wr_workflow *parent, uint64_t timeout_ms,
                                                struct wr_error *err);

/** Borrowed; "" for none. */
WR_PUBLIC const char *wr_workflow_id(const struct wr_workflow *workflow);
/** @copybrief wr_workflow_id */
WR_PUBLIC const char *wr_workflow_correlation_id(const struct wr_workflow *workflow);
/** @copybrief wr_workflow_id */
WR_PUBLIC const char *wr_workflow_session_id(const struct wr_workflow *workflow);
/** The current span as W3C traceparent, what is put into sandboxes as TRACEPARENT. 56 bytes. */
WR_PUBLIC void wr_workflow_traceparent(const struct wr_workflow *workflow, char ret[56]);

/** State, shared by the whole workflow: `value` is consumed, NULL removes. */
WR_PUBLIC int wr_workflow_set(struct wr_workflow *workflow, const char *key, struct wr_value *value,
                              struct wr_error *err);
/** The caller's own reference; NULL when there is none. `key` NULL: all of it, an object. */
WR_PUBLIC struct wr_value *wr_workflow_get(struct wr_workflow *workflow, const char *key);

/** Something of the caller's own for primitives of the caller's own: parts that are made afterwards
 * have it too. Set it before the workflow is used. Borrowed; NULL at first. */
WR_PUBLIC void wr_workflow_set_data(struct wr_workflow *workflow, void *data);
/** What was set. */
WR_PUBLIC void *wr_workflow_data(const struct wr_workflow *workflow);

/** Adds a moment to the list of checkpoints. */
WR_PUBLIC void wr_workflow_checkpoint(struct wr_workflow *workflow, const char *name);
/** [{"name", "elapsed_ms"}], the caller's; at most 1024 are kept. */
WR_PUBLIC struct wr_value *wr_workflow_checkpoints(struct wr_workflow *workflow);
/** Since it was made. */
WR_PUBLIC double wr_workflow_elapsed_ms(const struct wr_workflow *workflow);

/** Ends this part and its children: their calls return CANCELED. */
WR_PUBLIC void wr_workflow_cancel(struct wr_workflow *workflow);
/** 0, CANCELED, or DEADLINE_EXCEEDED. For primitives that do long work of their own. */
WR_PUBLIC int wr_workflow_check(const struct wr_workflow *workflow, struct wr_error *err);
/** How long a blocking call may take in it: its token and the time that is left, at most
 * `timeout_ms` (0: no bound of its own). The token lives as long as the workflow. */
WR_PUBLIC struct wr_wait wr_workflow_wait(const struct wr_workflow *workflow, uint64_t timeout_ms);

WR_END_DECLS
