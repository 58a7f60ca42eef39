/*
 * GET /metrics: figures of the whole server for Prometheus. For the operator and for keys of the
 * default team, since they tell about all teams.
 */
#pragma once

#include "http/router.h"

void wr_obs_metrics(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
