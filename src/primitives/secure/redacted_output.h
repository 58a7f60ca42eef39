/* What an execution gives, redacted: its output as a value, and what it prints as it comes. */
#pragma once

#include "primitives/core/workflow.h"
#include "primitives/secure/redacted_value.h"

/* The output of an executor, or of anything else. Places are counted once, though a text may be in
 * several members. *ret has "redactions". */
int wr_redacted_output(const struct wr_redactor *redactor, const json_t *output, json_t **ret,
                       struct wr_redacted_sum *sum, struct wr_error *err) WR_MUST_CHECK;

/* Stands between who runs code and who listens to a workflow. One execution at a time. */
struct wr_redacted_events {
    const struct wr_redactor *redactor;
    struct wr_workflow *listener;    /* borrowed */
    struct wr_redaction *streams[2]; /* stdout and stderr: their secrets do not mix */
    bool failed;                     /* nothing goes through any more */
};

int wr_redacted_events_init(struct wr_redacted_events *events, const struct wr_redactor *redactor,
                            struct wr_workflow *listener, struct wr_error *err) WR_MUST_CHECK;
/* A wr_code_fn; `data` is the struct. */
int wr_redacted_events_pass(const struct wr_code_event *event, void *data);
/* What was held back goes to the listener. */
void wr_redacted_events_finish(struct wr_redacted_events *events);
void wr_redacted_events_done(struct wr_redacted_events *events);
