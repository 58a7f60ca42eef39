/* How kinds of supplies are made; the public side is warren/supply.h. */
#pragma once

#include "base/base.h"
#include "primitives/core/primitive.h"
#include "warren/supply.h"

/* What wr_supply_stats() tells. */
struct wr_supply_stats {
    uint64_t created, killed, rotations, resets, resets_refused;
    unsigned idle, busy, creating, waiting;
    double oldest_age_s; /* of what is alive; 0 for none */
};

/* All of any thread, several at once, except `free`. */
struct wr_supply_ops {
    const char *kind; /* "ephemeral", ...: stats and metadata have it; constant */
    /* Fills what it knows of *ret, which is zeroed; `workflow` is never NULL. */
    int (*acquire)(void *self, struct wr_workflow *workflow, struct wr_lease *ret,
                   struct wr_error *err);
    void (*release)(void *self, const struct wr_lease *lease, enum wr_lease_end end);
    /* *ret is zeroed. */
    void (*stats)(void *self, struct wr_supply_stats *ret);
    /* As wr_supply_close(); may be called again. */
    void (*close)(void *self);
    /* After close, once, when the last holder has gone. */
    void (*free)(void *self);
};

/* `self` stays the caller's on failure. */
struct wr_supply *wr_supply_make(const struct wr_supply_ops *ops, void *self, struct wr_error *err);
/* What decides results in its sandboxes (supply_scope.h); set before others have it. Without, the
 * supply is like no other, and caches around it share nothing. */
void wr_supply_set_scope(struct wr_supply *supply, const char scope[static WR_PRIMITIVE_SCOPE_MAX]);
/* Borrowed. */
const char *wr_supply_scope(const struct wr_supply *supply);

void wr_supply_free_ptr(struct wr_supply **supply);
#define wr_auto_supply WR_CLEANUP(wr_supply_free_ptr) struct wr_supply
