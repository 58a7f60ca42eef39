/*
 * Writing a sandbox to disk: in place, after which its processes end (a hibernation), or as a copy,
 * after which it goes on (a snapshot). docs/internals/snapshot.md.
 */
#pragma once

#include "base/error.h"

struct wr_instance;
struct wr_saving;

/* See wr_driver_ops.hibernate and .snapshot. */
int wr_instance_hibernate(struct wr_instance *instance, bool memory, struct wr_error *err)
    WR_MUST_CHECK;
int wr_instance_snapshot(struct wr_instance *instance, const char *snapshot_id, bool memory,
                         struct wr_error *err) WR_MUST_CHECK;
/* Of one that is LEAVING: its first process has ended. */
void wr_hibernation_end(struct wr_instance *instance);
/* What is under way goes on without us. Accepts NULL, returns NULL. */
struct wr_saving *wr_saving_free(struct wr_saving *saving);
