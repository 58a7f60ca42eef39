/* GET /sandboxes and GET /v2/sandboxes. */
#pragma once

#include "http/router.h"

/* Handlers for wr_route tables; `data` is the struct wr_api_request. */
void wr_api_sandboxes_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_sandboxes_list_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
