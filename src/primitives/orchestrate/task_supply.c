#include "primitives/orchestrate/task_supply.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/execute/supply.h"

#define EPHEMERAL "ephemeral"
#define KILL_MS   10000

struct task_supply {
    struct wr_supply_ops ops; /* of the kind of the inner one: who uses it asks for that */
    struct wr_task_supply_opts opts;
};

struct task_lease {
    struct wr_lease inner;
    struct wr_board_copy copy;
};

static const char *const kinds[] = {EPHEMERAL, "session", "pool"};

/* A sandbox that is made for one task ends before the next task gets its own: an ephemeral supply
 * kills behind the back of who releases, and then more would be alive than were asked for. When
 * this fails the supply tries again. */
static void end_sandbox(const struct task_supply *supply, struct wr_sandbox *sandbox)
{
    const struct wr_wait wait = {.timeout_ms = KILL_MS};
    struct wr_error unused;

    if (wr_streq(supply->ops.kind, EPHEMERAL))
        (void)wr_sandbox_kill(sandbox, &wait, &unused);
}

static int acquire(void *self, struct wr_workflow *workflow, struct wr_lease *ret,
                   struct wr_error *err)
{
    struct task_supply *supply = self;
    struct task_lease *lease = wr_calloc(1, sizeof *lease);

    if (!lease)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "lease");
    *supply->opts.ret_leave = (struct wr_error){0}; /* an earlier attempt's does not count */
    int r = wr_supply_acquire(supply->opts.inner, workflow, &lease->inner, err);
    if (r < 0) {
        free(lease);
        return r;
    }
    r = wr_task_share_enter(supply->opts.share, lease->inner.sandbox, supply->opts.python,
                            supply->opts.workflow, &lease->copy, err);
    if (r < 0) {
        end_sandbox(supply, lease->inner.sandbox);
        wr_supply_release(supply->opts.inner, &lease->inner, WR_LEASE_DIRTY);
        wr_board_copy_done(&lease->copy);
        free(lease);
        return r;
    }
    *ret = lease->inner;
    ret->entry = lease;
    *supply->opts.ret_leave = (struct wr_error){0}; /* of an attempt before this one */
    return 0;
}

static void release(void *self, const struct wr_lease *given, enum wr_lease_end end)
{
    struct task_supply *supply = self;
    struct task_lease *lease = given->entry;
    struct wr_error why = {0};

    if (end != WR_LEASE_LOST && wr_task_share_leave(supply->opts.share, lease->inner.sandbox,
                                                    supply->opts.workflow, &lease->copy, &why) < 0)
        *supply->opts.ret_leave = why;
    end_sandbox(supply, lease->inner.sandbox);
    wr_supply_release(supply->opts.inner, &lease->inner, end);
    wr_board_copy_done(&lease->copy);
    free(lease);
}

static void stats(void *self, struct wr_supply_stats *ret)
{
    (void)self;
    (void)ret; /* the inner one's are those that count */
}

static void close_supply(void *self)
{
    (void)self; /* nothing is kept beyond its leases */
}

struct wr_supply *wr_task_supply(const struct wr_task_supply_opts *opts, struct wr_error *err)
{
    wr_auto_value *facts = wr_supply_stats(opts->inner);
    struct task_supply *supply = wr_calloc(1, sizeof *supply);

    if (!supply) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "supply of sandboxes");
        return NULL;
    }
    supply->opts = *opts;
    supply->ops = (struct wr_supply_ops){.kind = kinds[0],
                                         .acquire = acquire,
                                         .release = release,
                                         .stats = stats,
                                         .close = close_supply,
                                         .free = free};
    for (size_t i = 0; i < WR_ARRAY_SIZE(kinds); i++)
        if (wr_streq(kinds[i], wr_value_string(facts, "kind")))
            supply->ops.kind = kinds[i];
    struct wr_supply *made = wr_supply_make(&supply->ops, supply, err);
    if (!made)
        free(supply);
    return made;
}
