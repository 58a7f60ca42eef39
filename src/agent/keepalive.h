/* How often a silent stream shows that it is alive. */
#pragma once

#include "http/server.h"

#define WR_KEEPALIVE_MS    90000
#define WR_KEEPALIVE_MAX_S 86400

/* The request's Keepalive-Ping-Interval (seconds) in ms; what is not a number in range means the
 * default. */
uint64_t wr_keepalive_ms(const struct wr_exchange *ex);
