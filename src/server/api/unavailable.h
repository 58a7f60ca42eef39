/* What E2B's control API has and Warren's has not, yet: 501 with a sentence that says so. */
#pragma once

#include "http/router.h"

/* Handlers for wr_route tables. */
void wr_api_no_builds(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_no_access_tokens(struct wr_exchange *ex, const struct wr_route_match *match,
                             void *data);
void wr_api_no_nodes(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
