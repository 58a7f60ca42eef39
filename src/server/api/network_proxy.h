/*
 * The `egressProxy` of `network`: {"address": "proxy.example.com:1080", "username", "password"}.
 * Warren's own besides E2B's: the address may begin with "socks5://" or "http://".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define WR_PROXY_MAX_CREDENTIAL 255 /* bytes (RFC 1929) */

/* Checks it and gives a copy of what is kept, owned by the caller; it may hold a password.
 * INVALID_ARGUMENT names the field. */
int wr_network_proxy_read(const json_t *proxy, bool lenient, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* A copy for clients: without the password. A new reference; NULL without memory. */
json_t *wr_network_proxy_shown(const json_t *proxy) WR_MUST_CHECK;
