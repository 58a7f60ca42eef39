/* The client's side of CONNECT (RFC 9110 9.3.6), without or with Basic credentials (RFC 7617). */
#pragma once

#include "server/egress/handshake.h"

extern const struct wr_handshake_protocol wr_http_connect;
