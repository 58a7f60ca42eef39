/*
 * Connections into a sandbox that are not HTTP, or not any longer: a relay (relay.h) carries their
 * bytes, with the limit on silence of HTTP, until both directions have ended or the sandbox goes.
 */
#pragma once

#include "server/ingress/upstream.h"

/* Joins a client, fds[0], with a service, fds[1], whose connection's place is `upstream`'s (without
 * a `conn`). All become owned, also on failure, which is logged. first[i] (may be NULL) are bytes
 * for fds[i]; moved. `pair`: the client is behind a socket pair (tls/terminator.h). */
void wr_tunnel_join(struct wr_upstream *upstream, const int fds[2], struct wr_buf *const first[2],
                    bool pair);
/* After "101 Switching Protocols": takes over the exchange with its pending 101 head, and the
 * connection of `call` (which belongs to `upstream`, busy). */
void wr_tunnel_start(struct wr_upstream *upstream, struct wr_exchange *ex,
                     struct wr_http_call *call, bool pair);
