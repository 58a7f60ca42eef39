/* Making and removing snapshots; GET /snapshots is in snapshot_list.h. */
#pragma once

#include "http/router.h"

/* Handlers for wr_route tables; `data` is the struct wr_api_request. */
void wr_api_snapshots_create(struct wr_exchange *ex, const struct wr_route_match *match,
                             void *data);
/* DELETE /templates/{id} of a snapshot; without a tag, of all of that name. */
void wr_api_snapshots_remove(struct wr_exchange *ex, const struct wr_route_match *match,
                             void *data);
