/* The environment of one execution: the caller's variables, and who asks. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "warren/workflow.h"

struct wr_execution_env {
    char **items; /* owned: "NAME=value" */
    size_t count;
};

struct wr_execution_env_opts {
    const json_t *always; /* of every execution; NULL: none */
    const json_t *own;    /* of this one, which come before the others; NULL: none */
    bool no_install;      /* pip finds no index */
};

/*
 * Adds WARREN_CORRELATION_ID, TRACEPARENT and TRACESTATE of the workflow. Where `own` has a
 * TRACEPARENT the last two are not set: a caller that says it for one execution means it. `always`
 * cannot: what is constant is no trace.
 */
int wr_execution_env_make(const struct wr_execution_env_opts *opts,
                          const struct wr_workflow *workflow, struct wr_execution_env *ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_execution_env_done(struct wr_execution_env *env);
#define wr_auto_execution_env WR_CLEANUP(wr_execution_env_done) struct wr_execution_env
