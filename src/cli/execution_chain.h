/*
 * The primitive that executes code as the options of `warren run` say:
 *
 *     cache( retry( fallback( secure( executor ), secure( executor of a private Warren ))))
 *
 * Redaction lies inside the cache, so that what is kept on disk has no secrets in it.
 */
#pragma once

#include "cli/primitive_opts.h"
#include "cli/sandbox_opts.h"
#include "warren/primitive.h"

struct wr_chain_opts {
    const struct wr_invocation *in;
    const struct wr_primitive_values *values;
    const struct wr_sandbox_values *sandbox;
    struct wr_cancel *cancel; /* of the start of a server */
    unsigned pool_size;       /* 0: a new sandbox for each */
};

/* *ret is the caller's. Writes to the ledger in the state directory. */
int wr_chain_new(const struct wr_chain_opts *opts, struct wr_primitive **ret, struct wr_error *err)
    WR_MUST_CHECK;
