/* PAUSE, RESUME and ROLLBACK (docs/internals/snapshot.md). */
#pragma once

#include "engine/request.h"

int wr_action_pause(const struct wr_action_request *request, struct wr_error *err) WR_MUST_CHECK;
int wr_action_resume(const struct wr_action_request *request, struct wr_error *err) WR_MUST_CHECK;
int wr_action_rollback(const struct wr_action_request *request, struct wr_error *err) WR_MUST_CHECK;
/* wr_driver_callbacks.on_hibernated */
void wr_pausing_hibernated(void *owner, const struct wr_saved *saved, const struct wr_error *error);
/* Of one that runs and that nobody can have: it was hibernated, and is again. Nobody waits for
 * that; it is frozen if it cannot be. */
void wr_pausing_again(struct wr_engine_sandbox *sandbox);
/* A ROLLBACK goes on: the sandbox as it was has ended. */
void wr_pausing_roll_back(struct wr_engine_sandbox *sandbox);
/* Its end: what was saved earlier did not start. */
void wr_pausing_rollback_failed(struct wr_engine_sandbox *sandbox, const struct wr_error *error);
