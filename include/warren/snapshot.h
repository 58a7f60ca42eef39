/** @file
 * Snapshots: what a sandbox was at one moment, its memory and files, under an id of its own.
 *
 * A snapshot is a template too: wr_sandbox_create() with its id as `template_name` makes a sandbox
 * in which everything goes on from there. It stays when its sandbox ends. All functions are
 * thread-safe.
 */
#pragma once

#include "warren/sandbox.h"

WR_BEGIN_DECLS

#define WR_FORK_MAX 100 /**< sandboxes of one wr_sandbox_fork() */

/** Borrowed during the call. */
struct wr_snapshot_opts {
    size_t struct_size;
    const char *name; /**< "name" or "name:tag", for people; NULL: it has an id only */
    bool files_only;  /**< Warren only: without memory; a sandbox from it boots */
};

/** Of a sandbox that runs, which stands still for a moment. *ret is {"snapshotID", "names": []},
 * the caller's. A name that is there already means the new one from now on. ALREADY_EXISTS: another
 * one of this sandbox is being made; FAILED_PRECONDITION: it is paused; UNIMPLEMENTED;
 * RESOURCE_EXHAUSTED: there is no room. */
WR_PUBLIC int wr_snapshot_create(struct wr_sandbox *sandbox, const struct wr_snapshot_opts *opts,
                                 const struct wr_wait *wait, struct wr_value **ret,
                                 struct wr_error *err);

/** Borrowed during the call. NULL members: whichever. */
struct wr_snapshot_list_opts {
    size_t struct_size;
    const char *sandbox_id; /**< of this sandbox, which may be gone */
    const char *name;       /**< that go by this name, or name:tag */
};

/** All of this key, all pages; an array of objects: snapshotID, names; by a Warren server also
 * sandboxID, parentSnapshotID, createdAt, memory, bytes, template. The caller's. */
WR_PUBLIC int wr_snapshot_list(struct wr_client *client, const struct wr_snapshot_list_opts *opts,
                               const struct wr_wait *wait, struct wr_value **ret,
                               struct wr_error *err);
/** What came from what, around a sandbox or a snapshot: {"nodes": [{"kind": "sandbox" or
 * "snapshot", "id", "names"?, "parent"?, "createdAt", "state"?}]}, the caller's. Warren only.
 * NOT_FOUND. */
WR_PUBLIC int wr_snapshot_tree(struct wr_client *client, const char *id, const struct wr_wait *wait,
                               struct wr_value **ret, struct wr_error *err);
/** One that is gone already is no error. */
WR_PUBLIC int wr_snapshot_delete(struct wr_client *client, const char *id,
                                 const struct wr_wait *wait, struct wr_error *err);

/** Borrowed during the call. */
struct wr_fork_opts {
    size_t struct_size;
    unsigned count;     /**< how many, 1 to WR_FORK_MAX; 0: 1 */
    uint64_t timeout_s; /**< until each ends by itself; 0: 300 */
};

/** New sandboxes that go on from where this one is, with memory and files of their own; this one
 * goes on running. `ret` has room for `count`; the first *ret_made of it become handles, to free
 * each. 0 when at least one was made; fewer than `count`: `err` says what was wrong with another.
 */
WR_PUBLIC int wr_sandbox_fork(struct wr_sandbox *sandbox, const struct wr_fork_opts *opts,
                              const struct wr_wait *wait, struct wr_sandbox **ret, size_t *ret_made,
                              struct wr_error *err);

/** It becomes, in place, what it was in a snapshot: same id, same handles; what happened since is
 * lost, unless it was snapshotted too. It lives `timeout_s` seconds then (0: 300). Warren only.
 * NOT_FOUND: no such snapshot; INVALID_ARGUMENT: of another sandbox. */
WR_PUBLIC int wr_sandbox_rollback(struct wr_sandbox *sandbox, const char *snapshot_id,
                                  uint64_t timeout_s, const struct wr_wait *wait,
                                  struct wr_error *err);

WR_END_DECLS
