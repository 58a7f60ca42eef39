/*
 * The log of a sandbox: its lifecycle from the store, and while it runs what its processes have
 * written, from its agent. That of a gone sandbox stays as long as its events do.
 */
#pragma once

#include "http/router.h"

void wr_api_logs(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_logs_v2(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
