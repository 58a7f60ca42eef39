/* What is on the volume of hibernated sandboxes and snapshots, as the engine's core sees it. */
#pragma once

#include "engine/driver/driver.h"
#include "engine/snapshot/criu.h"
#include "engine/snapshot/manifest.h"

/* Borrows the manifest's specification. */
void wr_saved_describe(const struct wr_manifest *manifest, uint64_t bytes, struct wr_saved *ret);
/* A hibernated sandbox, not a snapshot. */
bool wr_saved_is_hibernated(const struct wr_manifest *manifest);
/* The sandbox's volumes as CRIU is told of them; `directory`: below which they are mounted for it,
 * or NULL. `ret` has room for WR_CRIU_MAX_MOUNTS. */
int wr_saved_mounts(const struct wr_spec *spec, const char *directory, struct wr_criu_mount *ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* Removes the hibernated state of a sandbox that lives and has a higher generation, if it is still
 * there. */
int wr_saved_drop_older(struct wr_driver *driver, const char *id, uint64_t generation,
                        struct wr_error *err) WR_MUST_CHECK;

/* See wr_driver_ops. */
int wr_saved_rebase(struct wr_driver *driver, const struct wr_spec *spec, const char *snapshot_id,
                    struct wr_saved *ret, struct wr_error *err) WR_MUST_CHECK;
int wr_saved_remove(struct wr_driver *driver, const char *id, struct wr_error *err) WR_MUST_CHECK;
int wr_saved_list(struct wr_driver *driver, const char *after, size_t max,
                  void (*fn)(const struct wr_saved *saved, void *data), void *data, bool *ret_more,
                  struct wr_error *err) WR_MUST_CHECK;
/* Every hibernated sandbox that has no living instance, for recover(). */
int wr_saved_report(struct wr_driver *driver, struct wr_error *err) WR_MUST_CHECK;
