/*
 * After "101 Switching Protocols" both connections leave HTTP: bytes are carried both ways until
 * both directions have ended. A full direction stops the reading of its source; a half-close is
 * passed on.
 */
#pragma once

#include "server/ingress/upstream.h"

#define WR_TUNNEL_BUFFER (128 * 1024) /* bytes under way per direction */

/* Takes over both: the exchange with its pending 101 head, and the connection of `call` (which
 * belongs to `upstream`, busy). */
void wr_tunnel_start(struct wr_upstream *upstream, struct wr_exchange *ex,
                     struct wr_http_call *call);
