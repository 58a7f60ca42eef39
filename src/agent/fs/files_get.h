/* GET /files: a download of one regular file. */
#pragma once

#include "agent/state.h"
#include "http/server.h"

void wr_files_get(struct wr_agent *agent, struct wr_exchange *ex);
