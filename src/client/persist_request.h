/* Requests of the control API about pausing and snapshots: what is written into them. */
#pragma once

#include "base/error.h"
#include "warren/snapshot.h"

#define WR_PERSIST_BODY_MAX    512
#define WR_SNAPSHOT_REF_MAX    256 /* bytes of an id or a name, its NUL included */
#define WR_SNAPSHOT_TARGET_MAX (WR_SNAPSHOT_REF_MAX * 3 + 32)

/* Fields of the answer to a pause. */
#define WR_PAUSE_LEVEL_FIELD  "X-Warren-Pause-Level"
#define WR_PAUSE_REASON_FIELD "X-Warren-Pause-Reason"

/* "frozen", ...; NULL for the default and for what is no level. */
const char *wr_sandbox_level_name(enum wr_sandbox_level level);

/* Ids of snapshots are references of templates: "[namespace/]name[:tag]". INVALID_ARGUMENT. */
int wr_snapshot_ref_check(const char *ref, struct wr_error *err) WR_MUST_CHECK;
/* "<before><ref as one segment><behind>"; the same error. */
int wr_snapshot_target(const char *before, const char *ref, const char *behind,
                       char out[static WR_SNAPSHOT_TARGET_MAX], struct wr_error *err) WR_MUST_CHECK;
/* The list's path and query. INVALID_ARGUMENT. */
int wr_snapshot_list_target(const struct wr_snapshot_list_opts *opts,
                            char out[static WR_SNAPSHOT_TARGET_MAX], struct wr_error *err)
    WR_MUST_CHECK;

/* Bodies. INVALID_ARGUMENT: a level, a count or a name that is none. Times of 0 must have been
 * replaced. */
int wr_pause_body(const struct wr_pause_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                  struct wr_error *err) WR_MUST_CHECK;
int wr_resume_body(const struct wr_resume_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                   struct wr_error *err) WR_MUST_CHECK;
int wr_fork_body(const struct wr_fork_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                 struct wr_error *err) WR_MUST_CHECK;
int wr_rollback_body(const char *snapshot_id, uint64_t timeout_s,
                     char out[static WR_PERSIST_BODY_MAX], struct wr_error *err) WR_MUST_CHECK;
int wr_snapshot_body(const struct wr_snapshot_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                     struct wr_error *err) WR_MUST_CHECK;
