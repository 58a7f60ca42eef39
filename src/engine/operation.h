/* The one operation that may be under way on a sandbox, and who waits for its outcome. */
#pragma once

#include "engine/request.h"

/* The request waits; `state` is what the sandbox is in meanwhile. */
void wr_operation_begin(struct wr_engine_sandbox *sandbox, const struct wr_action_request *request,
                        enum wr_sandbox_state state);
/* These answer whoever waits, if somebody does; then nothing is under way any more, and what was
 * secret of the request is forgotten. The state is the caller's. `fds` stay the caller's. */
void wr_operation_answer(struct wr_engine_sandbox *sandbox, const char *json, const int *fds,
                         size_t fd_count);
void wr_operation_fail(struct wr_engine_sandbox *sandbox, const struct wr_error *error);
/* ABORTED: a KILL or the SHUTDOWN came. */
void wr_operation_abort(struct wr_engine_sandbox *sandbox);
/* Whether one uses or makes this snapshot. */
bool wr_operation_uses(const struct wr_engine *engine, const char *snapshot_id);
