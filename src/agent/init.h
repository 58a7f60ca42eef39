/*
 * /init: a blank sandbox gets its user (docs/internals/interpreter.md, "Blank sandboxes"). The
 * token was checked before.
 */
#pragma once

#include "agent/state.h"
#include "http/server.h"

/* GET: how far the sandbox is. */
void wr_init_get(struct wr_agent *agent, struct wr_exchange *ex);
/* POST: environment and token become the user's, once. */
void wr_init_post(struct wr_agent *agent, struct wr_exchange *ex);
