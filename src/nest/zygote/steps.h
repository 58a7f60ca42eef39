/* The fork on its way into a sandbox. */
#pragma once

#include <sys/prctl.h>

#include "nest/zygote/request.h"

/* What the parent found out about its own process, so that a fork needs no /proc. */
struct wr_zygote_image {
    struct prctl_mm_map map;
    void *tid_address; /* where the C library keeps the thread's id */
    void *robust_head; /* its list of robust mutexes, which a fork has to register again */
    size_t robust_size;
    char exe[256]; /* path of the interpreter's program */
};

int wr_zygote_image_read(struct wr_zygote_image *ret) WR_MUST_CHECK; /* 0 or a negative errno */

/*
 * Moves the calling process, a fresh fork that is alone in its memory, from the zygote into the
 * sandbox: namespaces, limits, exe link, descriptors (0 null, 1 and 2 pipes, 3 socket, no other),
 * filter, ids, capabilities. Where a step fails, its name and cause go to the request's stderr and
 * the process ends: a fork that kept a part of the zygote's rights must not run.
 */
void wr_zygote_steps_run(struct wr_zygote_image *image, const struct wr_zygote_request *request,
                         const struct wr_zygote_descriptors *fds);
