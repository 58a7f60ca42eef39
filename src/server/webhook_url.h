/* Where a webhook is told: http(s)://host[:port][/path][?query]. */
#pragma once

#include "base/error.h"
#include "server/egress/policy.h"
#include "server/store/store.h"

struct wr_webhook_url {
    bool tls;
    bool is_address; /* `address` instead of a name that is resolved */
    struct wr_ip address;
    uint16_t port;
    char host[WR_POLICY_MAX_DOMAIN + 1];       /* in lower case; IPv6 without brackets */
    char authority[WR_POLICY_MAX_DOMAIN + 16]; /* for the Host field */
    char target[WR_WEBHOOK_URL_MAX + 2];       /* path and query, as it was given */
};

/* INVALID_ARGUMENT for anything else: another scheme, a user name, a fragment, characters that have
 * to be encoded, a host that is neither a name nor an address. */
int wr_webhook_url_parse(const char *text, struct wr_webhook_url *ret, struct wr_error *err)
    WR_MUST_CHECK;
