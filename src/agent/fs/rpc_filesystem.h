/* The Connect service filesystem.Filesystem. */
#pragma once

#include "agent/state.h"
#include "http/server.h"

/* True when the request is for this service (and was taken care of). */
bool wr_rpc_filesystem(struct wr_agent *agent, struct wr_exchange *ex) WR_MUST_CHECK;
