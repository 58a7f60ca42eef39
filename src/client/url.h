/* Base URLs: http(s)://host[:port][/prefix]. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define WR_URL_HOST_MAX      256 /* bytes with NUL */
#define WR_URL_AUTHORITY_MAX (WR_URL_HOST_MAX + 8)
#define WR_URL_PREFIX_MAX    512

struct wr_url {
    bool tls;
    char host[WR_URL_HOST_MAX]; /* name in lower case, or address; IPv6 without brackets */
    uint16_t port;
    char authority[WR_URL_AUTHORITY_MAX]; /* for the Host field: the port only if it is not the
                                             scheme's own */
    char prefix[WR_URL_PREFIX_MAX];       /* "" or "/path" without a slash at its end */
};

/* `what` names the URL in errors ("E2B_API_URL"). INVALID_ARGUMENT: another scheme, a user name or
 * password, a query, a fragment, a host that is no name or address, a port out of range. */
int wr_url_parse(const char *text, const char *what, struct wr_url *ret, struct wr_error *err)
    WR_MUST_CHECK;
