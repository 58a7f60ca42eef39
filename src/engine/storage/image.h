/* The sparse file <data>/volume.img: making it with a file system that can limit directories,
 * attaching and mounting it. */
#pragma once

#include "base/error.h"

struct wr_quota;

#define WR_VOLUME_IMAGE     "volume.img"
#define WR_VOLUME_DIRECTORY "volume"
#define WR_VOLUME_MIN_BYTES ((uint64_t)384 << 20) /* XFS wants 300 MiB */
#define WR_VOLUME_MAX_BYTES                                               \
    ((uint64_t)256 << 30) /* of the default; an operator may ask for more \
                           */

/*
 * Size in bytes of a new image: `wanted`, or for 0 three quarters of what is free, at most
 * WR_VOLUME_MAX_BYTES; whole MiB. 0 when that is less than WR_VOLUME_MIN_BYTES.
 */
uint64_t wr_image_size(uint64_t wanted, uint64_t free_bytes);
/*
 * Mounts the image at <data>/volume, making it if there is none; does nothing when it is mounted
 * already. *ret_fd (owned by the caller) is the mounted directory, *ret_quota its limits (to be
 * freed before the descriptor).
 */
int wr_image_open(int data_fd, const char *data_dir, uint64_t size_bytes, int *ret_fd,
                  struct wr_quota **ret_quota, struct wr_error *err) WR_MUST_CHECK;
/* Unmounts it. Success when nothing is mounted. */
int wr_image_close(const char *data_dir, struct wr_error *err) WR_MUST_CHECK;
/* Opens <data>/volume, made with mode 0700 if needed. *ret_mount_id is its mount's, or 0 when it is
 * a plain directory. */
int wr_image_directory(int data_fd, int *ret_fd, uint64_t *ret_mount_id, struct wr_error *err)
    WR_MUST_CHECK;
