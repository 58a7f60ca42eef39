/* POST /hibernate and GET /hibernate: everything goes to disk before the host is shut down. */
#pragma once

#include "http/router.h"

void wr_api_hibernate(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_hibernate_progress(struct wr_exchange *ex, const struct wr_route_match *match,
                               void *data);
