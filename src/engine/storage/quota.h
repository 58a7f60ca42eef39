/* How the bytes of one upper or share are limited: the vtable behind volume.c and share.c, and its
 * two implementations. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wr_quota;

/* A copy of one entry of a directory that make() or clone() made. */
struct wr_quota_clone {
    int src_fd;       /* that directory; nobody writes below it */
    const char *keep; /* a directory in it: the only entry that the copy has */
    int parent_fd;    /* where the copy comes */
    const char *name;
    /* Its own limit. It may be a little higher until set_limit(), so that there is room for the
     * copy of what is full. */
    uint64_t max_bytes;
};

struct wr_quota_ops {
    void (*free)(struct wr_quota *quota);
    /* Makes the empty directory, limited. *ret_fd is owned by the caller. Undoes itself on failure.
     */
    int (*make)(struct wr_quota *quota, int parent_fd, const char *name, uint64_t max_bytes,
                int *ret_fd, struct wr_error *err);
    /* The same with a copy in it; of constant time on btrfs, else blocks are shared where the file
     * system can, or written again. DATA_LOSS without `keep`. */
    int (*clone)(struct wr_quota *quota, const struct wr_quota_clone *clone, int *ret_fd,
                 struct wr_error *err);
    int (*set_limit)(struct wr_quota *quota, int fd, uint64_t max_bytes, struct wr_error *err);
    int (*usage)(struct wr_quota *quota, int fd, uint64_t *ret_used_bytes, uint64_t *ret_max_bytes,
                 struct wr_error *err);
    /* remove() takes a time that grows with what is cached of the tree: large ones are for another
     * process, after which forked() is called in this one. */
    bool remove_waits;
    void (*forked)(struct wr_quota *quota);
    /* A missing directory is success. */
    int (*remove)(struct wr_quota *quota, int parent_fd, const char *name, struct wr_error *err);
    /* Bounded work; true when there is more to do at once. */
    bool (*collect)(struct wr_quota *quota);
    /* If there is little room: asks for that of what was removed. NULL: it comes back at once, or
     * by collect(). */
    void (*reclaim)(struct wr_quota *quota);
};

/* First member of each implementation's struct. */
struct wr_quota {
    const struct wr_quota_ops *ops;
    const char *kind; /* static: "btrfs-squota", ... */
    int own_fd;       /* what it keeps open besides the volume: a job needs it too */
    /* A clone is charged for what is written into it, not for what it has in common with others:
     * that stays with whoever wrote it, even when that is removed. */
    bool shares_for_free;
};

/* What wr_quota_btrfs_open() may switch on when the file system has no quotas yet. */
enum wr_btrfs_enable {
    WR_BTRFS_ENABLE_NOTHING = 0,
    WR_BTRFS_ENABLE_SIMPLE = 1,
    WR_BTRFS_ENABLE_QGROUPS = 2,
};
/* `volume_fd` (borrowed, outlives the object): a directory on btrfs. `enable`: bits of enum
 * wr_btrfs_enable. */
int wr_quota_btrfs_open(int volume_fd, unsigned enable, struct wr_quota **ret, struct wr_error *err)
    WR_MUST_CHECK;

/* `volume_fd` (borrowed, outlives the object): a directory on XFS or ext4 mounted with project
 * quota. `kind`: "xfs-project" or "ext4-project". */
int wr_quota_project_open(int volume_fd, const char *kind, struct wr_quota **ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* Hard limits of a project in 512-byte blocks and inodes (one per 8 KiB, at least 1024). */
void wr_quota_project_limits(uint64_t max_bytes, uint64_t *ret_blocks, uint64_t *ret_inodes);
/* Removes, in at most `steps` steps, what is below the directory (its children are directory
 * trees). True when something is left to do. */
bool wr_quota_empty_trash(int trash_fd, unsigned steps);
