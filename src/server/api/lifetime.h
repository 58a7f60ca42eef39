/* Routes that change how long a sandbox lives: timeout, refreshes, connect. */
#pragma once

#include "http/router.h"

/* Handlers for wr_route tables; `data` is the struct wr_api_request. */
void wr_api_sandboxes_timeout(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
void wr_api_sandboxes_refresh(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
void wr_api_sandboxes_connect(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
void wr_api_sandboxes_connect_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data);
