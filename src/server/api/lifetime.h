/* Routes that change how long a sandbox lives: timeout, refreshes. */
#pragma once

#include "http/router.h"
#include "server/api/op.h"
#include "server/sandbox_table.h"

/* Handlers for wr_route tables; `data` is the struct wr_api_request. */
void wr_api_sandboxes_timeout(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
void wr_api_sandboxes_refresh(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
/* Moves the deadline of a running one to that much from now, or not at all when it is later. */
int wr_api_extend(struct wr_api_op *op, struct wr_sandbox *sandbox, uint64_t timeout_s,
                  const char *reason, struct wr_error *err) WR_MUST_CHECK;
