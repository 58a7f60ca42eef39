/* What the egress of a sandbox does, from the client's side. Blocking. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

#define WR_NETWORK_LOG_MAX 512 /* events of one answer */

/* Up to WR_NETWORK_LOG_MAX events with a number above `after`, oldest first: {"events": [...],
 * "next": number to go on with, "dropped": how many were overwritten}. Owned by the caller.
 * NOT_FOUND when there is no such sandbox. */
int wr_network_log(struct wr_transport *transport, const char *id, uint64_t after, json_t **ret,
                   struct wr_error *err) WR_MUST_CHECK;
