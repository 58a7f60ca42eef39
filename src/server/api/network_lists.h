/* The lists of `network`: allowOut, denyOut, dnsServers. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define WR_NETWORK_MAX_DNS 10

struct wr_network_lists {
    const json_t *allow, *deny, *dns; /* arrays or NULL */
    bool no_internet;                 /* all is denied, whatever `deny` holds */
};

/* Addresses, ranges and (allowOut) domain patterns, none of them in both lists. INVALID_ARGUMENT
 * names list and index. */
int wr_network_lists_check(const struct wr_network_lists *lists, struct wr_error *err)
    WR_MUST_CHECK;
