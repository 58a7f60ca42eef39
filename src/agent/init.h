/*
 * /init: by whom the sandbox is told what it becomes (docs/internals/agent.md, "/init"). A blank
 * one gets its user, one that goes on from an image new randomness, a fork a new name as well.
 * Only for whoever knows the control token; the access token was checked before where it counts.
 */
#pragma once

#include "agent/state.h"
#include "http/server.h"

/* GET: how far a blank sandbox is. */
void wr_init_get(struct wr_agent *agent, struct wr_exchange *ex);
/* POST: what happened to the sandbox. 204 when everything is in force. */
void wr_init_post(struct wr_agent *agent, struct wr_exchange *ex);
