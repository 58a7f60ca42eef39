/* GET /version. */
#pragma once

#include "http/router.h"

/* Versions; the operator also learns where the server can be reached (`warren env` needs it). */
void wr_api_version(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
