/* The root file system of a sandbox: an overlay of idmapped read-only layers and one idmapped
 * upper, as a detached mount. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define WR_OVERLAY_MAX_LAYERS 20

/*
 * Kernels before 6.13 take overlay layers by path only, and before 6.15 only from attached mounts.
 * For them the layers are attached for a moment below a private tmpfs, <run>/stage.
 */
struct wr_overlay_stage {
    int dirfd;
    bool needed; /* learnt from the first mount, or set by a test */
};

/* Mounts the private tmpfs on <run_dir>/stage, replacing what a crashed engine left there. */
int wr_overlay_stage_open(const char *run_dir, struct wr_overlay_stage *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Detaches it. */
void wr_overlay_stage_close(const char *run_dir, struct wr_overlay_stage *stage);

struct wr_overlay_opts {
    const int *layer_fds; /* directories, highest first */
    size_t layer_count;
    int upper_parent_fd; /* directory that holds "u" and "w" */
    int userns_fd;       /* id map of the slot */
    uid_t host_base;     /* first host id of the slot: owner of what the overlay itself makes */
};

/* *ret_fd (the caller's) is the mount, not attached anywhere; it goes to the nest, whose child
 * attaches it. */
int wr_overlay_mount(struct wr_overlay_stage *stage, const struct wr_overlay_opts *opts,
                     int *ret_fd, struct wr_error *err) WR_MUST_CHECK;
