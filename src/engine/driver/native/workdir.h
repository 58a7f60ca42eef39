/*
 * <run>/jobs/<name>: where a job (engine/job.h) that has no directory on the volume works, and
 * whose lock it holds. Nothing in it outlives the job: mounts are in a mount namespace of its own.
 */
#pragma once

#include "base/error.h"

struct wr_driver;

/* Makes it, empty. *ret_dirfd is the caller's. UNAVAILABLE while a job works there. */
int wr_workdir_make(struct wr_driver *driver, const char *name, int *ret_dirfd,
                    struct wr_error *err) WR_MUST_CHECK;
/* A missing one is fine; what cannot be removed now is removed by the next start. */
void wr_workdir_remove(struct wr_driver *driver, const char *name);
/* Its path, below the run directory. */
int wr_workdir_path(const struct wr_driver *driver, const char *name, char *out, size_t cap,
                    struct wr_error *err) WR_MUST_CHECK;
/* At an engine's start: waits for the jobs of earlier engines, but not for long, ends restores that
 * do not end, and removes their directories. */
void wr_workdirs_settle(struct wr_driver *driver);
