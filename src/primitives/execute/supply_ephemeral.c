#include <errno.h>

#include "base/alloc.h"
#include "base/options.h"
#include "primitives/execute/supply_maker.h"

#define MARGIN_S      60
#define BOUNDED_MAX_S 3600 /* unless the caller's own timeout is longer */

struct ephemeral {
    struct wr_maker maker;
    atomic_uint busy, creating;
    atomic_bool closed;
    atomic_uint_fast64_t numbers;
};

/* What the server does if this process ends without a word. */
static uint64_t timeout_for(const struct ephemeral *supply, const struct wr_workflow *workflow)
{
    uint64_t usual_s = supply->maker.tmpl.opts.timeout_s;
    uint64_t left_ms = wr_workflow_wait(workflow, 0).timeout_ms;

    if (usual_s == 0)
        usual_s = WR_SUPPLY_TIMEOUT_S;
    if (left_ms == 0)
        return usual_s;
    return WR_MIN((left_ms + 999) / 1000 + MARGIN_S, WR_MAX(usual_s, (uint64_t)BOUNDED_MAX_S));
}

static int acquire(void *self, struct wr_workflow *workflow, struct wr_lease *ret,
                   struct wr_error *err)
{
    struct ephemeral *supply = self;

    if (atomic_load(&supply->closed))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the supply of sandboxes was closed");
    struct wr_made *made = wr_calloc(1, sizeof *made);
    if (!made)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "lease");
    atomic_fetch_add(&supply->creating, 1);
    int r = wr_maker_create(&supply->maker, workflow, timeout_for(supply, workflow), made, err);
    atomic_fetch_sub(&supply->creating, 1);
    if (r < 0) {
        free(made);
        return r;
    }
    atomic_fetch_add(&supply->busy, 1);
    *ret = (struct wr_lease){.sandbox = made->sandbox,
                             .fresh = true,
                             .number = atomic_fetch_add(&supply->numbers, 1) + 1,
                             .entry = made};
    return 0;
}

static void release(void *self, const struct wr_lease *lease, enum wr_lease_end end)
{
    struct ephemeral *supply = self;
    struct wr_made *made = lease->entry;

    (void)end; /* it is killed in any case; one that is gone is no error */
    atomic_fetch_sub(&supply->busy, 1);
    wr_maker_kill_later(&supply->maker, made);
    free(made);
}

static void stats(void *self, struct wr_supply_stats *ret)
{
    struct ephemeral *supply = self;

    ret->created = atomic_load(&supply->maker.created);
    ret->killed = atomic_load(&supply->maker.killed);
    ret->busy = atomic_load(&supply->busy);
    ret->creating = atomic_load(&supply->creating);
}

static void close_ephemeral(void *self)
{
    struct ephemeral *supply = self;

    atomic_store(&supply->closed, true);
    wr_maker_close(&supply->maker);
}

static void free_ephemeral(void *self)
{
    struct ephemeral *supply = self;

    wr_maker_done(&supply->maker);
    free(supply);
}

static const struct wr_supply_ops ephemeral_ops = {
    .kind = "ephemeral",
    .acquire = acquire,
    .release = release,
    .stats = stats,
    .close = close_ephemeral,
    .free = free_ephemeral,
};

struct wr_supply *wr_supply_ephemeral(struct wr_client *client, const struct wr_supply_opts *given,
                                      struct wr_error *err)
{
    struct wr_supply_opts opts;
    struct ephemeral *supply = NULL;

    if (wr_options_read(given, &opts, sizeof opts, "wr_supply_opts", err) < 0)
        return NULL;
    supply = wr_calloc(1, sizeof *supply);
    if (!supply) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "supply of sandboxes");
        return NULL;
    }
    if (wr_maker_init(&supply->maker, ephemeral_ops.kind, client, &opts, err) == 0) {
        struct wr_supply *made = wr_supply_make(&ephemeral_ops, supply, err);
        if (made) {
            wr_supply_set_scope(made, supply->maker.scope);
            return made;
        }
    }
    free_ephemeral(supply);
    return NULL;
}
