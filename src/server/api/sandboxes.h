/* Routes of the control API about one sandbox: create, get, kill, and its network. */
#pragma once

#include "http/router.h"

/* Bytes of a request's body: two lists of WR_NETWORK_MAX_ENTRIES fit. */
#define WR_API_MAX_BODY (512 * 1024)

/* Handlers for wr_route tables; `data` is the struct wr_api_request. */
void wr_api_sandboxes_create(struct wr_exchange *ex, const struct wr_route_match *match,
                             void *data);
void wr_api_sandboxes_create_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                                void *data);
void wr_api_sandboxes_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_sandboxes_kill(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_sandboxes_network(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
