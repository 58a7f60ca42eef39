/** @file
 * Primitives: things that take a value and give a value, inside a workflow.
 *
 * The executor is one, the wrappers (retry, cache, ...) are, and so are compositions of them.
 * Functions that wrap consume the primitives that they get, also when they fail, and pass NULL on
 * without touching `err`; so they can be nested and only the last result needs a look:
 *
 *     p = wr_cache_new(wr_retry_new(wr_executor_new(NULL, NULL, &err), NULL, &err), NULL, &err);
 *
 * Who wants to keep an inner primitive gives wr_primitive_ref() of it. Executing is thread-safe.
 */
#pragma once

#include "warren/workflow.h"

WR_BEGIN_DECLS

struct wr_primitive;

/** A primitive of the caller's own. `self` is what wr_primitive_new() got. */
struct wr_primitive_ops {
    size_t struct_size;
    /** Gives a value of its own in *ret, or fills `err`. `input` is borrowed and not changed. Any
     * thread, several at once. `workflow` is never NULL. */
    int (*execute)(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err);
    /** Figures and state, an object; NULL when there are none. May be NULL. */
    struct wr_value *(*stats)(void *self);
    /** Called once, when the last holder has gone. May be NULL. */
    void (*free)(void *self);
};

/** `name` (copied) is what spans, metrics and logs call it. `ops` is borrowed for its life. `self`
 * stays the caller's on failure. */
WR_PUBLIC struct wr_primitive *wr_primitive_new(const char *name,
                                                const struct wr_primitive_ops *ops, void *self,
                                                struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_primitive *wr_primitive_ref(struct wr_primitive *primitive);
/** One holder less. The last one ends what the primitive holds: sandboxes, threads. Accepts NULL,
 * returns NULL. */
WR_PUBLIC struct wr_primitive *wr_primitive_free(struct wr_primitive *primitive);
/** Borrowed. */
WR_PUBLIC const char *wr_primitive_name(const struct wr_primitive *primitive);
/** The caller's; {} for one without figures. NULL without memory. */
WR_PUBLIC struct wr_value *wr_primitive_stats(struct wr_primitive *primitive);

/** Blocks until it is done. `workflow` NULL: a new one for this call. *ret is the caller's. */
WR_PUBLIC int wr_primitive_execute(struct wr_primitive *primitive, const struct wr_value *input,
                                   struct wr_workflow *workflow, struct wr_value **ret,
                                   struct wr_error *err);

WR_END_DECLS
