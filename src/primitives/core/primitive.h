/* How the library's own primitives are made; the public side is warren/primitive.h. */
#pragma once

#include "warren/primitive.h"

struct wr_primitive_spec {
    const char *name; /* copied */
    const char *span; /* of each execution, constant; NULL: "primitive.<name>" */
    const struct wr_primitive_ops *ops;
    void *self;
    /* What decides the results besides the input (defaults, template, backend; what a wrapper
     * changes in them), copied, WR_PRIMITIVE_SCOPE_MAX - 1 bytes at most. Part of the key of a
     * cache around it. A wrapper that changes no result passes its inner's on; NULL: the name. */
    const char *scope;
};

#define WR_PRIMITIVE_SCOPE_MAX 65 /* bytes with NUL: the hex digits of a SHA-256 */

/* `self` stays the caller's on failure. */
struct wr_primitive *wr_primitive_make(const struct wr_primitive_spec *spec, struct wr_error *err);
/* `self` of a primitive of that kind; NULL for another kind. */
void *wr_primitive_self(const struct wr_primitive *primitive, const struct wr_primitive_ops *ops);

const char *wr_primitive_scope(const struct wr_primitive *primitive);
/* The scope of something that is `what` and made of `inner`: a hash of all. */
void wr_primitive_scope_of(const char *what, struct wr_primitive *const *inner, size_t count,
                           char ret[static WR_PRIMITIVE_SCOPE_MAX]);

void wr_primitive_free_ptr(struct wr_primitive **primitive);
#define wr_auto_primitive WR_CLEANUP(wr_primitive_free_ptr) struct wr_primitive
