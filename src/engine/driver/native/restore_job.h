/* What jobs do for restore.c: everything that takes time. */
#pragma once

#include "engine/driver/native/shares.h"
#include "engine/job.h"
#include "engine/snapshot/manifest.h"

struct wr_kit;

struct wr_restore_result {
    uint64_t check_us, prepare_us, criu_us, finish_us;
    struct wr_memory_news news;
};

struct wr_restore_work {
    struct wr_driver *driver;
    struct wr_kit *kit;          /* the instance's */
    struct wr_manifest manifest; /* whose image or files it is made from */
    struct wr_spec spec;         /* as it will be; for a boot with environment and tokens */
    int snapshot_fd;             /* owned: snapshots/<id> of the manifest */
    int image_fd;                /* owned: image/ in it; -1 */
    int ns_fd;                   /* borrowed: the new network namespace */
    struct wr_share_mounts shares;
    char path[256]; /* of <run>/jobs/<id>, where it works */
};

struct wr_restore_fds {
    int fds[WR_JOB_MAX_FDS];
    size_t count;
};
void wr_restore_fds(const struct wr_restore_work *work, struct wr_restore_fds *ret);

/* wr_job_spec.run: `arg` is a struct wr_restore_work. No result: the kit's id has an upper
 * directory with a copy of the snapshot's files. */
int wr_restore_copy(const void *arg, void *result, struct wr_error *err);
/* No result: its upper directory has a new work directory. */
int wr_restore_renew(const void *arg, void *result, struct wr_error *err);
/* `result`: a struct wr_restore_result. Its processes are there and frozen; its record says already
 * that they run, so that an engine that starts thaws them. */
int wr_restore_run(const void *arg, void *result, struct wr_error *err);
