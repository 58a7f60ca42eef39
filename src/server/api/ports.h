/* Raw connections to a port of a sandbox, for its owner: what `warren forward` uses. */
#pragma once

#include "http/router.h"

/* GET /sandboxes/{id}/ports/{port} with `Connection: Upgrade` and `Upgrade: tcp`: 101 once the port
 * has taken the connection, and then its bytes as they are. 502 when nothing listens there. One
 * that traffic resumes (ingress/waking.h) is resumed first, others that do not run are 409. Also
 * for sandboxes with private ports; not for the ports of the agent and the interpreter. A client on
 * a Unix socket ends its stream before it closes it: else its end is taken for a cut. */
void wr_api_ports(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
