/* One cell on a sandbox that was got for it: what its errors mean, and what becomes of the sandbox
 * afterwards. */
#pragma once

#include <jansson.h>

#include "primitives/execute/execution_result.h"
#include "warren/supply.h"

/* Borrowed during the call. */
struct wr_execution_run {
    struct wr_sandbox *sandbox;
    const char *code, *language;
    const char *const *envs; /* "NAME=value" */
    size_t env_count;
    uint64_t timeout_ms;
    size_t max_output_bytes; /* of each stream */
    bool keeps; /* the sandbox serves others afterwards: it is put right, not thrown away */
};

/*
 * Runs it. `lines` (NULL: nobody wants them) gets what comes, and so do the workflow's listeners.
 * DEADLINE_EXCEEDED: the code ran too long and has been stopped, or the workflow's time is over.
 * UNAVAILABLE: the server did not answer, or the sandbox has gone. *ret_end, what to release the
 * lease with, is set in any case.
 */
int wr_execution_run(const struct wr_execution_run *run, struct wr_workflow *workflow,
                     struct wr_output_lines *lines, json_t **ret, enum wr_lease_end *ret_end,
                     struct wr_error *err) WR_MUST_CHECK;

/* The error of a call that was no cell: a deadline that is not the workflow's is the server's, so
 * UNAVAILABLE. Returns -err->code. */
int wr_execution_service_error(const struct wr_workflow *workflow, struct wr_error *err);

/* What to release a lease with after `err` of any call on its sandbox. May ask the server, look
 * whether the interpreter answers, and start it again; bounded by a few seconds. A sandbox that has
 * gone changes `err`, which then says so. */
enum wr_lease_end wr_execution_lease_end(const struct wr_execution_run *run, struct wr_error *err);
