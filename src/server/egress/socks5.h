/* The client's side of SOCKS5 (RFC 1928), without or with user name and password (RFC 1929). */
#pragma once

#include "server/egress/handshake.h"

extern const struct wr_handshake_protocol wr_socks5;
