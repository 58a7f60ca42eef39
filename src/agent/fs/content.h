/*
 * The content of a volume of the API, for a sandbox that was made for nothing else (action CREATE
 * with "content"): reading and writing the files below config->content_root by plain HTTP, as E2B's
 * SDKs ask for them (docs/internals/volumes.md). The agent does it, and not a process of the host,
 * so that nobody outside a sandbox resolves a path that sandboxes write.
 */
#pragma once

#include "agent/state.h"
#include "http/server.h"

/* Answers requests for /volumecontent/...; false for others. The configuration has a content_root.
 */
bool wr_content_handle(struct wr_agent *agent, struct wr_exchange *ex) WR_MUST_CHECK;
