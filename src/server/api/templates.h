/* GET /templates. */
#pragma once

#include "http/router.h"

/* Handler for wr_route tables; `data` is the struct wr_server. */
void wr_api_templates_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
