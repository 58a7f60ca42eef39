/* Starts: of a new sandbox, and of one that was hibernated. */
#pragma once

#include "engine/request.h"

/* WR_ACTION_CREATE */
int wr_action_create(const struct wr_action_request *request, struct wr_error *err) WR_MUST_CHECK;
/* Starts a hibernated sandbox for the operation that is under way. On failure it is hibernated as
 * before, and the operation goes on. */
int wr_starting_saved(struct wr_engine_sandbox *sandbox, bool memory, struct wr_error *err)
    WR_MUST_CHECK;
/* wr_driver_callbacks.on_started */
void wr_starting_done(void *owner, const struct wr_error *error);
