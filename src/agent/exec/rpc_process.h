/* The Connect service process.Process. */
#pragma once

#include "agent/state.h"
#include "http/server.h"

/* True when the path is one of its methods; the exchange is then taken care of. */
bool wr_rpc_process(struct wr_agent *agent, struct wr_exchange *ex) WR_MUST_CHECK;
