#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "primitives/compose/parts.h"
#include "primitives/core/primitive.h"
#include "warren/compose.h"

#define NAME "BranchPrimitive"

struct branch {
    struct wr_parts branches;
    wr_branch_fn choose;
    void *data;
};

static int choose(const struct branch *branch, const struct wr_value *input,
                  struct wr_workflow *workflow, struct wr_error *err)
{
    struct wr_error own = {0};
    int chosen = branch->choose(input, workflow, branch->data, &own);

    if (chosen < 0) {
        /* The function is the caller's: it may have forgotten to say why. */
        if (own.code == 0)
            (void)wr_fail(&own, chosen > -WR_E_MAX_ ? (enum wr_code) - chosen : WR_E_UNKNOWN, 0,
                          "the choice of a branch failed");
        *err = own;
        return -own.code;
    }
    if ((size_t)chosen >= branch->branches.count)
        return wr_fail(err, WR_E_OUT_OF_RANGE, 0, "branch %d was chosen of %zu", chosen,
                       branch->branches.count);
    return chosen;
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    const struct branch *branch = self;
    int chosen = choose(branch, input, workflow, err);

    if (chosen < 0)
        return chosen;
    const struct wr_part_run run = {.span = "branch.",
                                    .prefix = "branch",
                                    .primitive = branch->branches.items[chosen],
                                    .index = (size_t)chosen,
                                    .total = branch->branches.count};
    return wr_part_execute(&run, input, workflow, ret, err);
}

static void branch_free(void *self)
{
    struct branch *branch = self;

    wr_parts_done(&branch->branches);
    free(branch);
}

static const struct wr_primitive_ops branch_ops = {
    .struct_size = sizeof branch_ops, .execute = execute, .free = branch_free};

struct wr_primitive *wr_branch(struct wr_primitive *const *branches, size_t count,
                               wr_branch_fn choose_fn, void *data, struct wr_error *err)
{
    struct wr_primitive *primitive = NULL;
    struct wr_parts taken = {0};
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (wr_parts_take(branches, count, "a branch", &taken, err) < 0)
        return NULL;
    wr_auto_free struct branch *branch = wr_calloc(1, sizeof *branch);
    if (!branch)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "branch");
    else if (!choose_fn)
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a branch needs a function that chooses");
    if (branch && choose_fn) {
        branch->choose = choose_fn;
        branch->data = data;
        wr_primitive_scope_of(NAME, taken.items, taken.count, scope);
        primitive = wr_primitive_make(
            &(struct wr_primitive_spec){
                .name = NAME, .ops = &branch_ops, .self = branch, .scope = scope},
            err);
    }
    if (!primitive) {
        wr_parts_done(&taken);
        return NULL;
    }
    wr_steal_ptr(&branch)->branches = taken;
    return primitive;
}
