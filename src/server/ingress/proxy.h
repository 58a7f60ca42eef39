/*
 * The ingress: a request that names a sandbox and a port, by its host or by E2b-Sandbox-* headers,
 * goes to that port of the sandbox's loopback. Bodies stream both ways and a slow side stops the
 * other; what is buffered per request is bounded by the HTTP layer.
 */
#pragma once

#include "server/server.h"

/* Takes the exchange over and answers it. */
void wr_proxy_handle(const struct wr_listener *listener, struct wr_exchange *ex);
