/* POST /files: uploads, streamed straight into the files. */
#pragma once

#include "agent/state.h"
#include "http/server.h"

void wr_files_post(struct wr_agent *agent, struct wr_exchange *ex);
