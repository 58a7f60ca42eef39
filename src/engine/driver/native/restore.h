/*
 * A sandbox from what was saved: with its memory, by CRIU (docs/internals/snapshot.md, "Resuming"),
 * or from its files, by the nest as any other.
 */
#pragma once

#include "engine/driver/driver.h"

struct wr_restore;

/* See wr_driver_ops.start; `origin` is not TEMPLATE. */
int wr_restore_start(struct wr_driver *driver, enum wr_origin origin, struct wr_spec *spec,
                     void *owner, struct wr_instance **ret, bool *ret_booted, struct wr_error *err)
    WR_MUST_CHECK;
/* It is about to be told that it runs: nothing of the user's has written yet. NULL: nothing. */
void wr_restore_runs(const struct wr_restore *restore);
/* The sandbox runs: what it was resumed from goes. `restore` is taken over; NULL: it was made from
 * a template. */
void wr_restore_started(struct wr_driver *driver, struct wr_restore *restore);
/* Accepts NULL, returns NULL. */
struct wr_restore *wr_restore_free(struct wr_restore *restore);
