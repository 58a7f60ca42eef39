/* Ends: KILL, SHUTDOWN, and sandboxes that end by themselves. */
#pragma once

#include "engine/request.h"

/* WR_ACTION_KILL, WR_ACTION_SHUTDOWN */
int wr_action_kill(const struct wr_action_request *request, struct wr_error *err) WR_MUST_CHECK;
int wr_action_shutdown(const struct wr_action_request *request, struct wr_error *err) WR_MUST_CHECK;
/* Ends one that has an instance. */
void wr_ending_begin(struct wr_engine_sandbox *sandbox);
/* An operation is over and was answered: carries out what came meanwhile. The sandbox may be gone
 * afterwards. */
void wr_ending_settle(struct wr_engine_sandbox *sandbox);
/* Nothing of it is left: answers KILLs, drops it, and ends the engine if that was the last one. */
void wr_ending_forget(struct wr_engine_sandbox *sandbox);
/* Stops the loop once a SHUTDOWN was asked for and no sandbox is alive. The rest is done outside of
 * all callbacks. */
void wr_ending_check_shutdown(struct wr_engine *engine);
/* wr_driver_callbacks.on_gone */
void wr_ending_gone(void *owner, enum wr_gone_reason reason);
