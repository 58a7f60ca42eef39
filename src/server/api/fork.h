/* POST /sandboxes/{id}/fork. */
#pragma once

#include "http/router.h"

/* A handler for wr_route tables; `data` is the struct wr_api_request. */
void wr_api_fork(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
