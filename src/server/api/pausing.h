/* POST /sandboxes/{id}/pause, resume, connect: what is done at once or waits for pausing.h. */
#pragma once

#include "http/router.h"

void wr_api_sandboxes_pause(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_sandboxes_resume(struct wr_exchange *ex, const struct wr_route_match *match,
                             void *data);
void wr_api_sandboxes_connect(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
/* The same without a timeout of its own that is required. */
void wr_api_sandboxes_connect_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data);
