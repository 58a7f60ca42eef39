/* Routes of the control API below /sandboxes. */
#pragma once

#include "http/router.h"

/* What agents of this version can do, in the numbering of E2B's envd. */
#define WR_ENVD_VERSION "0.6.13"
#define WR_CLIENT_ID    "warren"

#define WR_API_MAX_BODY (128 * 1024) /* request body, bytes */

/* Handlers for wr_route tables; `data` is the struct wr_server. */
void wr_api_sandboxes_create(struct wr_exchange *ex, const struct wr_route_match *match,
                             void *data);
void wr_api_sandboxes_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_sandboxes_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_sandboxes_kill(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_sandboxes_timeout(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
void wr_api_sandboxes_metrics(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
