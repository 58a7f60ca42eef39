/** @file
 * Primitives one after the other, side by side, one or the other, and again until it works.
 */
#pragma once

#include "warren/primitive.h"

WR_BEGIN_DECLS

/** The output of each is the input of the next. `count` >= 1; the steps are consumed, NULL among
 * them is passed on. A sequence as first step is flattened. Spans "sequential.step_<i>". */
WR_PUBLIC struct wr_primitive *wr_seq(struct wr_primitive *const *steps, size_t count,
                                      struct wr_error *err);

/** Options of wr_parallel(). */
struct wr_parallel_opts {
    size_t struct_size;
    unsigned max_concurrent; /**< 0: all, at most 256 threads */
    bool keep_going;         /**< results of failed branches are {"error": {code, message}} instead
                                of the first failure cancelling the rest */
};
/** All get the same input; output: an array, in the order of the branches. Spans
 * "parallel.branch_<i>". */
WR_PUBLIC struct wr_primitive *wr_parallel(struct wr_primitive *const *branches, size_t count,
                                           const struct wr_parallel_opts *opts,
                                           struct wr_error *err);

/** The number of the branch to take, or a negative code. Any thread. */
typedef int (*wr_branch_fn)(const struct wr_value *input, struct wr_workflow *workflow, void *data,
                            struct wr_error *err);
/** OUT_OF_RANGE for a number that is no branch. Spans "branch.<i>". */
WR_PUBLIC struct wr_primitive *wr_branch(struct wr_primitive *const *branches, size_t count,
                                         wr_branch_fn choose, void *data, struct wr_error *err);

/** Options of wr_refine_new(). */
struct wr_refine_opts {
    size_t struct_size;
    unsigned max_attempts; /**< 0: 3 */
};
/**
 * Iterative refinement: `generator` gets {"input": of the whole, "attempt": from 1, "history":
 * [{"attempt", "code", "error"}]} and gives {"code": ...} or text; `executor` runs it; until
 * `success`. Code that runs too long is a failed attempt too, as long as the workflow has time.
 * Output: the executor's, with "code", "attempts" and "history". After the last attempt
 * FAILED_PRECONDITION with the last error of the code; the workflow's state has "refine_history".
 */
WR_PUBLIC struct wr_primitive *wr_refine_new(struct wr_primitive *generator,
                                             struct wr_primitive *executor,
                                             const struct wr_refine_opts *opts,
                                             struct wr_error *err);

WR_END_DECLS
