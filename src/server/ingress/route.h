/* Which sandbox and port a request is for, by its host or its headers, as the listener allows. */
#pragma once

#include "server/ingress/host.h"
#include "server/server.h"

#define WR_INGRESS_ID   "E2b-Sandbox-Id"
#define WR_INGRESS_PORT "E2b-Sandbox-Port"

/* Whether the request is for a sandbox at all, well-formed or not; else it is for the control API.
 */
bool wr_ingress_wants(const struct wr_listener *listener, const struct wr_exchange *ex);
/* NULL, or the text of the 400 answer. */
const char *wr_ingress_route_read(const struct wr_listener *listener, const struct wr_exchange *ex,
                                  struct wr_ingress_route *ret) WR_MUST_CHECK;
