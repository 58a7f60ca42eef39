#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "json/value.h"
#include "primitives/compose/parts.h"
#include "primitives/core/primitive.h"
#include "primitives/observe/event.h"
#include "warren/compose.h"

#define NAME "SequentialPrimitive"

struct seq {
    struct wr_parts steps;
};

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct seq *seq = self;
    wr_auto_value *current = NULL;

    wr_telemetry_log(workflow, "debug", "sequential_workflow_start", NAME,
                     json_pack("{s:i}", "total_steps", (int)seq->steps.count));
    for (size_t i = 0; i < seq->steps.count; i++) {
        const struct wr_part_run run = {.span = "sequential.step_",
                                        .prefix = "step",
                                        .primitive = seq->steps.items[i],
                                        .index = i,
                                        .total = seq->steps.count};
        struct wr_value *output = NULL;
        int r = wr_part_execute(&run, current ? current : input, workflow, &output, err);
        if (r < 0)
            return r;
        wr_value_free(current);
        current = output;
    }
    *ret = wr_steal_ptr(&current);
    wr_telemetry_log(workflow, "debug", "sequential_workflow_complete", NAME,
                     json_pack("{s:i}", "total_steps", (int)seq->steps.count));
    return 0;
}

static void seq_free(void *self)
{
    struct seq *seq = self;

    wr_parts_done(&seq->steps);
    free(seq);
}

static const struct wr_primitive_ops seq_ops = {
    .struct_size = sizeof seq_ops, .execute = execute, .free = seq_free};

/* The steps of a sequence that stands first take its place: a chain is one sequence, however it was
 * put together. */
static int flatten(struct wr_parts *steps, struct wr_error *err)
{
    const struct seq *first = wr_primitive_self(steps->items[0], &seq_ops);

    if (!first)
        return 0;
    size_t count = first->steps.count + steps->count - 1;
    if (count > WR_PARTS_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a sequence of %zu parts; %d is the most",
                       count, WR_PARTS_MAX);
    struct wr_primitive **items = wr_calloc(count, sizeof *items);
    if (!items)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sequence");
    for (size_t i = 0; i < first->steps.count; i++)
        items[i] = wr_primitive_ref(first->steps.items[i]);
    for (size_t i = 1; i < steps->count; i++)
        items[first->steps.count + i - 1] = steps->items[i];
    wr_primitive_free(steps->items[0]);
    free(steps->items);
    *steps = (struct wr_parts){.items = items, .count = count};
    return 0;
}

struct wr_primitive *wr_seq(struct wr_primitive *const *steps, size_t count, struct wr_error *err)
{
    struct wr_primitive *primitive = NULL;
    struct wr_parts taken = {0};
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (wr_parts_take(steps, count, "a sequence", &taken, err) < 0)
        return NULL;
    wr_auto_free struct seq *seq = wr_calloc(1, sizeof *seq);
    if (!seq)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sequence");
    if (seq && flatten(&taken, err) == 0) {
        wr_primitive_scope_of(NAME, taken.items, taken.count, scope);
        primitive = wr_primitive_make(
            &(struct wr_primitive_spec){.name = NAME, .ops = &seq_ops, .self = seq, .scope = scope},
            err);
    }
    if (!primitive) {
        wr_parts_done(&taken);
        return NULL;
    }
    wr_steal_ptr(&seq)->steps = taken;
    return primitive;
}
