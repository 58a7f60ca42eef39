/* What the agent answers to: plain HTTP routes and the Connect services. */
#pragma once

#include "http/server.h"

/* A wr_http_handler; `agent` is the struct wr_agent. */
void wr_routes_handle(struct wr_exchange *ex, void *agent);
