/* The files that CRIU wrote: are they what was written, and for which ids are they? */
#pragma once

#include "engine/snapshot/manifest.h"

/* Fills files, file_count and image_bytes of the manifest from the regular files in the directory
 * (its logs are left out and removed). */
int wr_image_measure(int image_dirfd, struct wr_manifest *ret, struct wr_error *err) WR_MUST_CHECK;
enum wr_image_part {
    WR_IMAGE_ALL,
    WR_IMAGE_PAGES, /* the contents of memory, which CRIU copies and does not look at */
    WR_IMAGE_REST,  /* what it reads */
};
/* Compares the size of every file, and the checksums of those of a part. DATA_LOSS names the first
 * file that differs. */
int wr_image_check(int image_dirfd, const struct wr_manifest *manifest, enum wr_image_part part,
                   struct wr_error *err) WR_MUST_CHECK;
/*
 * What CRIU restores for a slot: the image, but with a user namespace's file that maps 0..65535 to
 * host_base and up (docs/internals/checkpoint.md, "Another sandbox from the same image"). It is a
 * bind mount of the image's directory on a new one in `scratch_dirfd`, with a changed file mounted
 * over one of its own; both go with the mount namespace of the calling process, which has to be
 * private to it. (Links do not do: CRIU opens files of the image when it has closed every
 * descriptor it was started with, and sees the sandbox's /proc.) *ret_dirfd is the caller's.
 * DATA_LOSS when the image has not exactly one user namespace.
 */
int wr_image_for_slot(int image_dirfd, const struct wr_manifest *manifest, uint32_t host_base,
                      int scratch_dirfd, int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
