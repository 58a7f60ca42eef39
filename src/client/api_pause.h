/* The control API from a command's side: pausing, resuming, forks. Blocking. */
#pragma once

#include <jansson.h>

#include "client/persist_request.h"
#include "client/transport.h"

#define WR_PAUSE_LEVEL_MAX  16
#define WR_PAUSE_REASON_MAX 512

struct wr_api_paused {
    char level[WR_PAUSE_LEVEL_MAX];   /* "": the server did not say */
    char reason[WR_PAUSE_REASON_MAX]; /* why it is less than was asked for; "": it is not */
};

/* ALREADY_EXISTS: it is paused. All of them: NOT_FOUND. */
int wr_api_sandbox_pause(struct wr_transport *transport, const char *id,
                         const struct wr_pause_opts *opts, struct wr_api_paused *ret,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_api_sandbox_resume(struct wr_transport *transport, const char *id,
                          const struct wr_resume_opts *opts, struct wr_error *err) WR_MUST_CHECK;
int wr_api_sandbox_rollback(struct wr_transport *transport, const char *id, const char *snapshot_id,
                            uint64_t timeout_s, struct wr_error *err) WR_MUST_CHECK;
/* *ret: an array with {"sandbox"} or {"error"} for each, the caller's. */
int wr_api_sandbox_fork(struct wr_transport *transport, const char *id,
                        const struct wr_fork_opts *opts, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* What the server says about it, the caller's. */
int wr_api_sandbox_get(struct wr_transport *transport, const char *id, json_t **ret,
                       struct wr_error *err) WR_MUST_CHECK;
