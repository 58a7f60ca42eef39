/* What the egress of a sandbox does, for people who watch it. */
#pragma once

#include "http/router.h"

/* GET /sandboxes/{id}/network: settings, limits, counters, open connections. */
void wr_api_network_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
/* GET /sandboxes/{id}/network/log?after=N&limit=M: events with a number above N, oldest first, the
 * number to go on with, and how many between were overwritten. */
void wr_api_network_log(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
