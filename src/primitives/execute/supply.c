#include "primitives/execute/supply.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rand.h"
#include "json/value.h"
#include "primitives/core/workflow.h"

struct wr_supply {
    atomic_uint refs;
    atomic_uint_fast64_t leases;
    const struct wr_supply_ops *ops;
    void *self;
    char scope[WR_PRIMITIVE_SCOPE_MAX];
};

struct wr_supply *wr_supply_make(const struct wr_supply_ops *ops, void *self, struct wr_error *err)
{
    struct wr_supply *supply = wr_calloc(1, sizeof *supply);

    if (!supply) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "supply");
        return NULL;
    }
    atomic_init(&supply->refs, 1);
    atomic_init(&supply->leases, 0);
    supply->ops = ops;
    supply->self = self;
    wr_random_id(supply->scope, sizeof supply->scope - 1);
    return supply;
}

void wr_supply_set_scope(struct wr_supply *supply, const char scope[static WR_PRIMITIVE_SCOPE_MAX])
{
    memcpy(supply->scope, scope, sizeof supply->scope);
}

const char *wr_supply_scope(const struct wr_supply *supply)
{
    return supply->scope;
}

struct wr_supply *wr_supply_ref(struct wr_supply *supply)
{
    if (supply)
        atomic_fetch_add(&supply->refs, 1);
    return supply;
}

struct wr_supply *wr_supply_free(struct wr_supply *supply)
{
    if (!supply || atomic_fetch_sub(&supply->refs, 1) != 1)
        return NULL;
    supply->ops->close(supply->self);
    supply->ops->free(supply->self);
    free(supply);
    return NULL;
}

void wr_supply_free_ptr(struct wr_supply **supply)
{
    *supply = wr_supply_free(*supply);
}

void wr_supply_close(struct wr_supply *supply)
{
    if (supply)
        supply->ops->close(supply->self);
}

int wr_supply_acquire(struct wr_supply *supply, struct wr_workflow *workflow, struct wr_lease *ret,
                      struct wr_error *err)
{
    wr_auto_workflow *own = NULL;
    struct wr_lease lease = {0};
    uint64_t start_us = wr_mono_us();

    if (!supply)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no supply of sandboxes (NULL)");
    if (!workflow) {
        own = wr_workflow_new(NULL, err);
        workflow = own;
    }
    if (!workflow)
        return -err->code;
    int r = wr_workflow_check(workflow, err);
    if (r == 0)
        r = supply->ops->acquire(supply->self, workflow, &lease, err);
    if (r < 0)
        return r;
    atomic_fetch_add(&supply->leases, 1);
    lease.init_ms = (double)(wr_mono_us() - start_us) / 1e3;
    *ret = lease;
    return 0;
}

void wr_supply_release(struct wr_supply *supply, struct wr_lease *lease, enum wr_lease_end end)
{
    if (!lease->entry)
        return;
    struct wr_lease ended = *lease;
    memset(lease, 0, sizeof *lease);
    supply->ops->release(supply->self, &ended, end);
}

struct wr_value *wr_supply_stats(struct wr_supply *supply)
{
    struct wr_supply_stats stats = {0};

    supply->ops->stats(supply->self, &stats);
    return wr_value_of_json(json_pack(
        "{s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:f}", "kind", supply->ops->kind,
        "created", (json_int_t)stats.created, "killed", (json_int_t)stats.killed, "idle",
        (int)stats.idle, "busy", (int)stats.busy, "creating", (int)stats.creating, "waiting",
        (int)stats.waiting, "leases", (json_int_t)atomic_load(&supply->leases), "rotations",
        (json_int_t)stats.rotations, "resets", (json_int_t)stats.resets, "resets_refused",
        (json_int_t)stats.resets_refused, "oldest_age_s", stats.oldest_age_s));
}
