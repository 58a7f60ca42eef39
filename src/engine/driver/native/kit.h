/*
 * Everything on the host that one sandbox needs and that can be made before it is asked for: id,
 * slot, upper directory with its disk limit, overlay mount, control groups with limits. Kits are
 * used once.
 */
#pragma once

#include <stdbool.h>

#include "base/list.h"
#include "base/str.h"
#include "engine/cgroup/cgroup.h"

struct wr_driver;
struct wr_layer_names;
struct wr_native_template;
struct wr_spec;

struct wr_kit {
    struct wr_list link; /* template->kits while unused */
    char id[WR_ID_LEN + 1];
    uint32_t slot;
    bool has_slot, has_upper; /* what this kit has to give back */
    int upper_fd;             /* directory sandboxes/<id> on the volume; -1 */
    int overlay_fd;           /* -1 once the sandbox has it */
    struct wr_cgroup *cgroup;
    uint64_t disk_bytes; /* limits as they are set */
    struct wr_cgroup_limits limits;
};

/* Makes one; `id` NULL: a new random one. On failure everything is undone. */
int wr_kit_new(struct wr_native_template *t, const char *id, struct wr_kit **ret,
               struct wr_error *err) WR_MUST_CHECK;
/* Changes limits to those of the specification, where they differ. */
int wr_kit_apply(struct wr_driver *driver, struct wr_kit *kit, const struct wr_spec *spec,
                 struct wr_error *err) WR_MUST_CHECK;
/* The kit of a sandbox that was saved, whose id `spec` has: slot and control groups with the limits
 * of the specification, or (`restored`) as wr_kit_loosen() makes them. Upper and overlay are still
 * missing. */
int wr_kit_for_saved(struct wr_driver *driver, const struct wr_spec *spec, bool restored,
                     struct wr_kit **ret, struct wr_error *err) WR_MUST_CHECK;
/* The overlay of those layers over the kit's upper, and their names beside it. */
int wr_kit_mount(struct wr_driver *driver, struct wr_kit *kit, const struct wr_layer_names *layers,
                 struct wr_error *err) WR_MUST_CHECK;
/* For the time of a dump or a restore: a little more than the specification has, for CRIU, and no
 * limit of the processor. wr_kit_apply() sets them back. */
int wr_kit_loosen(struct wr_kit *kit, const struct wr_spec *spec, struct wr_error *err)
    WR_MUST_CHECK;
/* Writes <upper>/state.json: what the next engine needs to know of the specification's sandbox. A
 * sandbox that has filled its disk has one nevertheless. */
int wr_kit_save_record(const struct wr_driver *driver, const struct wr_kit *kit,
                       const struct wr_spec *spec, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND, or what is wrong with it. *ret is the caller's. */
int wr_kit_load_record(const struct wr_kit *kit, struct wr_spec *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Undo, in reverse order of making, of whatever exists. False when something is still in use (a
 * control group whose last process is on its way out): the kit stays in its list; call again later.
 * After true it is unlinked and freed. */
bool wr_kit_release(struct wr_driver *driver, struct wr_kit *kit) WR_MUST_CHECK;
