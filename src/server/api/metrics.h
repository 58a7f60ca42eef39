/* What sandboxes use and have used. */
#pragma once

#include "http/router.h"

/* Samples of one sandbox between ?start and ?end; with ?live=true one that is taken now, with
 * members that are not recorded. */
void wr_api_metrics_sandbox(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
/* The last sample of each of ?sandbox_ids. */
void wr_api_metrics_sandboxes(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
