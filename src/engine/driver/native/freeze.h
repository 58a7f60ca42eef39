/* Pausing in memory: docs/internals/snapshot.md, "Levels". */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wr_cgroup;
struct wr_instance;

/* Has every process stop. What takes longer than 20 ms to stop (the processor belongs to others, or
 * the kernel waits for a disk) executes nothing of its own any more either, so that is success. */
int wr_freeze_group(struct wr_cgroup *cgroup, struct wr_error *err) WR_MUST_CHECK;
/* See wr_driver_ops.freeze, .page_out and .note_reason. */
int wr_instance_freeze(struct wr_instance *instance, bool frozen, struct wr_error *err)
    WR_MUST_CHECK;
int wr_instance_page_out(struct wr_instance *instance, struct wr_error *err) WR_MUST_CHECK;
int wr_instance_note_reason(struct wr_instance *instance, const char *reason, struct wr_error *err)
    WR_MUST_CHECK;
/* It has ended: what is under way finds nothing to do. */
void wr_paging_forget(struct wr_instance *instance);
