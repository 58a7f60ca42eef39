/* The inside of workflows, for primitives and telemetry; the public side is warren/workflow.h. */
#pragma once

#include "base/base.h"
#include "warren/telemetry.h"
#include "warren/workflow.h"

#define WR_TRACE_ID_BYTES 16
#define WR_SPAN_ID_BYTES  8

/* What a scope has of its own; the rest is its parent's. */
struct wr_scope_opts {
    uint64_t timeout_ms; /* 0: its parent's time; never more than that */
    bool own_cancel;     /* wr_workflow_cancel() on it ends only it */
    bool has_sink;       /* `on_event` takes the place of its parent's, which the function may
                            call by wr_workflow_emit() on the parent */
    wr_code_fn on_event;
    void *on_event_data;
};

/* A part of `parent` with spans of its own: what runs beside something else needs one. */
struct wr_workflow *wr_workflow_scope(struct wr_workflow *parent, const struct wr_scope_opts *opts,
                                      struct wr_error *err);
void wr_workflow_free_ptr(struct wr_workflow **workflow);
#define wr_auto_workflow WR_CLEANUP(wr_workflow_free_ptr) struct wr_workflow

/* Hands an event to whoever listens; 0 when nobody does. Non-zero: give the code up. */
int wr_workflow_emit(const struct wr_workflow *workflow, const struct wr_code_event *event);
bool wr_workflow_listens(const struct wr_workflow *workflow);

/* Borrowed; NULL when nothing is measured. */
struct wr_telemetry *wr_workflow_telemetry(const struct wr_workflow *workflow);
const uint8_t *wr_workflow_trace_id(const struct wr_workflow *workflow);
bool wr_workflow_sampled(const struct wr_workflow *workflow);
const char *wr_workflow_tracestate(const struct wr_workflow *workflow); /* "" for none */

/* Puts what `change` makes of a member of the state (NULL: there is none) in its place, as one
 * step. `change` runs under the state's lock and returns a value of its own; NULL is no memory. */
typedef struct wr_value *(*wr_workflow_change_fn)(const struct wr_value *old, void *data);
int wr_workflow_update(struct wr_workflow *workflow, const char *key, wr_workflow_change_fn change,
                       void *data, struct wr_error *err);
/* Adds to a number of the state that counts; without memory it does not. */
void wr_workflow_count(struct wr_workflow *workflow, const char *key);

/* The innermost span that is open, or NULL; and its id (all zero: none, and no remote parent). Only
 * telemetry sets them: a span that ends puts back what was there. */
struct wr_span *wr_workflow_span(const struct wr_workflow *workflow);
const uint8_t *wr_workflow_span_id(const struct wr_workflow *workflow);
void wr_workflow_set_span(struct wr_workflow *workflow, struct wr_span *span,
                          const uint8_t id[static WR_SPAN_ID_BYTES]);
