/* POST /files/compose: several files become one. */
#pragma once

#include "agent/state.h"
#include "http/server.h"

void wr_files_compose(struct wr_agent *agent, struct wr_exchange *ex);
