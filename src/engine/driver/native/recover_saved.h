/* The part of recover.h that is about what was saved, restored, or was on its way there when an
 * engine ended (docs/internals/snapshot.md, "Which one counts"). */
#pragma once

#include "engine/driver/native/nest_link.h"
#include "engine/spec.h"

struct wr_driver;
struct wr_kit;

/* A sandbox that lives: its record and what it has of the host. */
struct wr_found {
    const char *id;
    struct wr_kit *kit; /* owned until it is adopted */
    struct wr_spec spec;
};
/* The record decides, not what anybody says. DATA_LOSS when it does not fit. ABORTED when it is
 * hibernated: it was about to be ended. */
int wr_found_load(struct wr_driver *driver, struct wr_found *found, struct wr_error *err)
    WR_MUST_CHECK;
/* Takes the descriptors over, also on failure. `nest`: NULL for one that was restored. It stands
 * still or runs, as its record says. */
int wr_found_adopt(struct wr_driver *driver, struct wr_found *found,
                   const struct wr_nest_sandbox *sandbox, struct wr_nest_link *nest,
                   struct wr_error *err) WR_MUST_CHECK;
void wr_found_close(const struct wr_nest_sandbox *sandbox);
void wr_found_done(struct wr_driver *driver, struct wr_found *found);

/* Waits for the jobs of earlier engines. */
void wr_recover_jobs(struct wr_driver *driver);
/* For wr_cgroup_root_list(): a sandbox in that group that no nest knows. `data`: the driver. */
void wr_recover_restored(const char *name, void *data);
/* The upper directory of that name belongs to a hibernated sandbox. */
bool wr_saved_keeps_files(struct wr_driver *driver, const char *name);
/* Afterwards: half-made snapshots go, hibernated sandboxes are reported. */
int wr_recover_saved(struct wr_driver *driver, struct wr_error *err) WR_MUST_CHECK;
