/* Files by which programs recognise that and where they are in a sandbox, besides the environment:
 * some start without it. */
#pragma once

#include "agent/state.h"

/* Writes them when the loop has its first idle moment: no request of a new sandbox waits for them.
 * Once the loop is stopped, wr_idle_cancel(&agent->markers). */
void wr_markers_queue(struct wr_agent *agent);
