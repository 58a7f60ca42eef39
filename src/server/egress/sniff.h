/*
 * The name that a client says at the start of a connection: the server name of a TLS ClientHello
 * (RFC 8446 4.1.2, RFC 6066 3), also when it comes in several records, or the Host of an HTTP/1.1
 * request. Pure functions of the bytes so far, which a stranger chose.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_SNIFF_MAX (16 * 1024) /* bytes that are looked at */

enum wr_sniff {
    WR_SNIFF_MORE = 0, /* not enough bytes yet */
    WR_SNIFF_NAME = 1, /* `name` is a host name in lower case, without a port or a dot at the end */
    WR_SNIFF_NONE = 2, /* no name is said (no SNI, an address, another protocol, malformed) */
};

/* `name` holds 254 bytes. */
enum wr_sniff wr_sniff_tls(const unsigned char *data, size_t len, char *name) WR_MUST_CHECK;
enum wr_sniff wr_sniff_http(const char *data, size_t len, char *name) WR_MUST_CHECK;
