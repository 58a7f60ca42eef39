/* Compares the pages of an image with their sums in a process of its own, while CRIU restores them
 * in this one: nothing that is restored runs before both have ended. */
#pragma once

#include "engine/snapshot/manifest.h"

struct wr_page_check {
    pid_t pid; /* 0: ended */
    int result_fd;
    struct wr_error result; /* once it has ended */
};

/* For jobs. The manifest stays the caller's. */
int wr_page_check_begin(int image_dirfd, const struct wr_manifest *manifest,
                        struct wr_page_check *ret, struct wr_error *err) WR_MUST_CHECK;
/* Waits for the end; may be asked again. DATA_LOSS when the image is damaged. */
int wr_page_check_wait(struct wr_page_check *check, struct wr_error *err) WR_MUST_CHECK;
/* Ends it, whatever it has found. */
void wr_page_check_done(struct wr_page_check *check);
