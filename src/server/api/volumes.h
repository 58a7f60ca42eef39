/* /volumes: the volumes of the own team, or of all for the operator. */
#pragma once

#include "http/router.h"

void wr_api_volumes_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_volumes_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_volumes_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_volumes_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
