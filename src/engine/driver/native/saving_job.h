/* What jobs do for hibernate.c: everything that takes time. */
#pragma once

#include "engine/driver/native/layers.h"
#include "engine/job.h"

struct wr_kit;

struct wr_saving_result {
    uint64_t dump_us, copy_us, hash_us, commit_us;
    uint64_t files_bytes; /* of the writable layer, while nothing ran */
    uint64_t
        bytes; /* of the snapshot on the volume, and of the files that a hibernated one keeps */
    struct wr_memory_files memory; /* left out of the image */
    struct wr_memory_news news;
};

struct wr_saving_work {
    struct wr_driver *driver;
    const struct wr_kit *kit;
    int ns_fd;       /* borrowed */
    int snapshot_fd; /* owned: snapshots/.new-<id> */
    struct wr_manifest manifest;
    struct wr_saving_result before; /* of an earlier job */
    uint64_t bytes;                 /* the result's */
};

/* What the jobs have open. */
struct wr_saving_fds {
    int fds[WR_JOB_MAX_FDS];
    size_t count;
};
void wr_saving_fds(const struct wr_saving_work *work, struct wr_saving_fds *ret);

/* wr_job_spec.run: `arg` is a struct wr_saving_work, `result` a struct wr_saving_result. The
 * control group is frozen. Image, checksums, commit. */
int wr_saving_hibernate(const void *arg, void *result, struct wr_error *err);
/* Image and copies of the files: what the sandbox stands still for. */
int wr_saving_capture(const void *arg, void *result, struct wr_error *err);
/* The rest. */
int wr_saving_seal(const void *arg, void *result, struct wr_error *err);
