/* Which sandbox and port a request is for, by its headers. */
#pragma once

#include "http/server.h"

#define WR_INGRESS_ID   "E2b-Sandbox-Id"
#define WR_INGRESS_PORT "E2b-Sandbox-Port"

struct wr_ingress_route {
    char id[64]; /* lower-case letters and digits; need not be an id that exists */
    uint16_t port;
};

/* Whether the request is for a sandbox at all, well-formed or not. */
bool wr_ingress_wants(const struct wr_exchange *ex);
/* False: answered with 400. */
bool wr_ingress_route_read(struct wr_exchange *ex, struct wr_ingress_route *ret);
/* The path, if it is one that only the agent's owner (this server) may call there, else NULL. */
const char *wr_ingress_reserved_path(const struct wr_exchange *ex,
                                     const struct wr_ingress_route *route);
