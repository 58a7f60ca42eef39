/* The primitives that a composition is made of. */
#pragma once

#include "warren/primitive.h"

#define WR_PARTS_MAX 1024

struct wr_parts {
    struct wr_primitive **items; /* owned, each held */
    size_t count;
};

/* Consumes the `count` primitives, also on failure. -1 without touching `err` when one of them is
 * NULL: whoever should have made it has said why. `what` names the composition. */
int wr_parts_take(struct wr_primitive *const *items, size_t count, const char *what,
                  struct wr_parts *ret, struct wr_error *err);
void wr_parts_done(struct wr_parts *parts);

/* Runs one of them in a span "<span>_<index>" or "<span>.<index>" with the attributes
 * "<prefix>.index", ".name", ".primitive_type", ".total", ".status" and ".error". */
struct wr_part_run {
    const char *span;   /* with its separator: "sequential.step_" */
    const char *prefix; /* of the attributes: "step" */
    struct wr_primitive *primitive;
    size_t index, total;
};
int wr_part_execute(const struct wr_part_run *run, const struct wr_value *input,
                    struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err);
