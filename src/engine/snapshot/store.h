/*
 * What was saved, on the volume: snapshots/<id>/ with manifest, image and files
 * (docs/internals/snapshot.md). A name that begins with ".new-" is being made. Each has a quota of
 * its own.
 */
#pragma once

#include "engine/snapshot/manifest.h"
#include "engine/storage/volume.h"

struct wr_snapshots;

int wr_snapshots_open(struct wr_volume *volume, struct wr_snapshots **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_snapshots *wr_snapshots_free(struct wr_snapshots *snapshots);

/* The descriptors without which a process cannot use this and the volume, -1 for none: for job.h.
 */
#define WR_SNAPSHOTS_FDS (1 + WR_VOLUME_FDS)
void wr_snapshots_fds(const struct wr_snapshots *snapshots, int ret[static WR_SNAPSHOTS_FDS]);

/* Makes .new-<id>/ with image/, limited to `max_bytes` on top of what files/ takes. What an earlier
 * begin() of that id left is dropped, unless a job holds its lock. ALREADY_EXISTS when there is one
 * of that id, RESOURCE_EXHAUSTED when the volume has no room. */
int wr_snapshot_begin(struct wr_snapshots *snapshots, const char *id, uint64_t max_bytes,
                      int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
/* The same for an id that may be there already: commit() then puts the new one in its place, in one
 * step. What it replaces is collected by whoever called commit(), else after the next removal. */
int wr_snapshot_begin_over(struct wr_snapshots *snapshots, const char *id, uint64_t max_bytes,
                           int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
/* Copies the writable layer "u" of an upper directory, of which no process is running, to files/u
 * of `dirfd`. What is not written yet is written first; takes longer where the file system cannot
 * share blocks: for jobs. */
int wr_snapshot_copy_files(struct wr_snapshots *snapshots, int upper_dirfd, int dirfd,
                           struct wr_error *err) WR_MUST_CHECK;
/* Writes the manifest, brings all of it and the volume to the disk, and gives it its name (that of
 * the manifest). After a power cut it is there completely or not at all. For jobs. */
int wr_snapshot_commit(struct wr_snapshots *snapshots, int dirfd,
                       const struct wr_manifest *manifest, struct wr_error *err) WR_MUST_CHECK;
/* Of a begin() that came to nothing; a missing one is success. */
int wr_snapshot_abandon(struct wr_snapshots *snapshots, const char *id, struct wr_error *err)
    WR_MUST_CHECK;

/* NOT_FOUND; DATA_LOSS when the manifest is damaged. `ret_dirfd` may be NULL. *ret is the caller's
 * (wr_manifest_done()). */
int wr_snapshot_load(struct wr_snapshots *snapshots, const char *id, struct wr_manifest *ret,
                     int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
/* What it takes on the disk; what its files have in common with a sandbox or another snapshot
 * counts in full. */
int wr_snapshot_usage(struct wr_snapshots *snapshots, const char *id, uint64_t *ret_bytes,
                      struct wr_error *err) WR_MUST_CHECK;
/* Gone for everybody at once, and durably; its space becomes free by wr_snapshots_collect(). A
 * missing one is success. */
int wr_snapshot_remove(struct wr_snapshots *snapshots, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* Background work, also on what an earlier engine left; true when there is more to do. */
bool wr_snapshots_collect(struct wr_snapshots *snapshots);
/* Every one that is there, ids ascending; `making`: those whose name begins with ".new-". */
int wr_snapshots_list(struct wr_snapshots *snapshots, bool making,
                      void (*fn)(const char *id, void *data), void *data, struct wr_error *err)
    WR_MUST_CHECK;

/*
 * A new upper directory sandboxes/<name> whose "u" is a copy of files/u of a snapshot, with an
 * empty "w". Its limit is max_bytes, and where sharing is free (docs/internals/volume.md) less what
 * it shares with the snapshot; it may be a little higher until wr_snapshot_upper_set_limit(). For
 * jobs, except that on btrfs it takes 2 ms. FAILED_PRECONDITION when the snapshot has no files of
 * its own, else as wr_snapshot_check_limit().
 */
int wr_snapshot_upper_new(struct wr_snapshots *snapshots, int snapshot_dirfd,
                          const struct wr_manifest *manifest, const char *name, uint64_t max_bytes,
                          int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
/* Whether files that take so much can become those of a sandbox with that disk limit:
 * RESOURCE_EXHAUSTED. What a sandbox shares and what it writes are its limit together; a chain of
 * copies has 16 MiB beyond it, once, and no link is made with less than 4 MiB of its own. */
int wr_snapshot_check_limit(const struct wr_snapshots *snapshots, uint64_t files_bytes,
                            uint64_t max_bytes, struct wr_error *err) WR_MUST_CHECK;
/* What the files of a sandbox take: what is charged to its upper directory, and what that shares
 * with the snapshot it came from. */
int wr_snapshot_upper_usage(struct wr_snapshots *snapshots, int upper_dirfd, uint64_t *ret_bytes,
                            struct wr_error *err) WR_MUST_CHECK;
/* Makes it the limit of an upper directory again that it has by this, and `more_bytes` beyond it.
 */
int wr_snapshot_upper_set_limit(struct wr_snapshots *snapshots, int upper_dirfd, uint64_t max_bytes,
                                uint64_t more_bytes, struct wr_error *err) WR_MUST_CHECK;
/* An empty "w" in place of the one that there is (an overlay marks and ties its work directory to
 * one mount). For jobs: that one has an entry for each file that was copied up. */
int wr_snapshot_upper_renew(int upper_dirfd, struct wr_error *err) WR_MUST_CHECK;
