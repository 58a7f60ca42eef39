/*
 * The data volume: where the writable layers ("uppers") of sandboxes live, each with a hard limit
 * on its bytes, and what the API calls volumes (share.h). By default a sparse file
 * <data>/volume.img mounted nosuid,nodev,noatime at <data>/volume (0700); an operator may give a
 * directory on a file system of his own. How the limit is kept is a vtable: btrfs (one subvolume
 * and qgroup per upper) or project quota (XFS, ext4).
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wr_volume;

struct wr_volume_opts {
    int data_dirfd;       /* borrowed: the data directory */
    const char *data_dir; /* its path, for messages and mount */
    const char *path;     /* operator's directory, or NULL for the sparse file */
    uint64_t size_bytes;  /* of the sparse file when it is made; 0: what fits, at most 3/4 of the
                             free space of data_dir, at most 256 GiB */
};

/* Makes, mounts and checks the volume; idempotent. FAILED_PRECONDITION when no way of limiting
 * works here, naming what was tried. */
int wr_volume_open(const struct wr_volume_opts *opts, struct wr_volume **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Closes descriptors; the mount stays (sandboxes use it). */
struct wr_volume *wr_volume_free(struct wr_volume *volume);
/* Unmounts the sparse file's mount if nothing uses it any more. */
int wr_volume_unmount(const char *data_dir, struct wr_error *err) WR_MUST_CHECK;
/* "btrfs-squota", "btrfs-qgroup", "xfs-project", "ext4-project". */
const char *wr_volume_kind(const struct wr_volume *volume);
int wr_volume_space(const struct wr_volume *volume, uint64_t *ret_total_bytes,
                    uint64_t *ret_free_bytes, struct wr_error *err) WR_MUST_CHECK;
/* RESOURCE_EXHAUSTED when so little is left that nothing new should begin. */
int wr_volume_check_room(const struct wr_volume *volume, struct wr_error *err) WR_MUST_CHECK;

/* Of an error whose cause was a lack of room (ENOSPC, EDQUOT): makes it RESOURCE_EXHAUSTED, and
 * says so if it is the volume that is full. Others stay as they are. Returns -err->code. */
int wr_volume_explain(const struct wr_volume *volume, struct wr_error *err);

/* For what else lies in it with a limit of its own (share.c): the top directory and how limits are
 * kept. Both stay the volume's. */
int wr_volume_fd(const struct wr_volume *volume);
struct wr_quota;
struct wr_quota *wr_volume_quota(const struct wr_volume *volume);
/* The descriptors without which a process cannot use the volume, -1 for none: for those that close
 * what they do not need (job.h). */
#define WR_VOLUME_FDS 4
void wr_volume_fds(const struct wr_volume *volume, int ret[static WR_VOLUME_FDS]);

/*
 * Makes sandboxes/<name> with directories "u" (upper, 0755) and "w" (work, 0755), both root-owned
 * and empty, limited to `max_bytes`. *ret_dirfd (owned by the caller, O_PATH is not set) is the
 * directory sandboxes/<name>. -WR_E_RESOURCE_EXHAUSTED when the volume is full. Undoes itself on
 * failure.
 */
int wr_volume_upper_new(struct wr_volume *volume, const char *name, uint64_t max_bytes,
                        int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
/* The same with a copy of the "u" in `files_fd`, which is an upper or a copy of one that nobody
 * writes to. Takes as long as wr_quota_ops.clone() does. */
int wr_volume_upper_clone(struct wr_volume *volume, int files_fd, const char *name,
                          uint64_t max_bytes, int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
int wr_volume_upper_open(struct wr_volume *volume, const char *name, int *ret_dirfd,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_volume_upper_set_limit(struct wr_volume *volume, int upper_dirfd, uint64_t max_bytes,
                              struct wr_error *err) WR_MUST_CHECK;
int wr_volume_upper_usage(struct wr_volume *volume, int upper_dirfd, uint64_t *ret_used_bytes,
                          uint64_t *ret_max_bytes, struct wr_error *err) WR_MUST_CHECK;
/* A missing one is success. Never follows links that a sandbox made. Constant time on btrfs;
 * elsewhere it moves the tree aside and removes it in bounded steps by wr_volume_collect(). */
int wr_volume_upper_remove(struct wr_volume *volume, const char *name, struct wr_error *err)
    WR_MUST_CHECK;
/* Background work; true when there is more to do. */
bool wr_volume_collect(struct wr_volume *volume);
int wr_volume_upper_list(struct wr_volume *volume, void (*fn)(const char *name, void *data),
                         void *data, struct wr_error *err) WR_MUST_CHECK;
