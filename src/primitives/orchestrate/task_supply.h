/* The supply of one task: it leases out of another one, and what the tasks share comes and goes
 * with the lease. */
#pragma once

#include "base/base.h"
#include "primitives/orchestrate/share.h"

struct wr_task_supply_opts {
    struct wr_supply *inner;           /* borrowed: outlives the supply */
    const struct wr_task_share *share; /* borrowed */
    struct wr_workflow *workflow;      /* borrowed: of the task */
    bool python;
    struct wr_error *ret_leave; /* borrowed: set when the share could not be left in order */
};

struct wr_supply *wr_task_supply(const struct wr_task_supply_opts *opts, struct wr_error *err);
