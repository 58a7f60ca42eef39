/* /teams: the team of the key, or all teams for the operator, and what they used. */
#pragma once

#include "http/router.h"

void wr_api_teams_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
/* The operator only. */
void wr_api_teams_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_teams_metrics(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_teams_metrics_max(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
