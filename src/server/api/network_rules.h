/*
 * The `rules` of `network`: headers that the egress sets on requests to a domain,
 *   {"api.example.com": [{"transform": {"headers": {"Authorization": "Bearer ..."}}}]}
 * A value may hold placeholders ${e2b.secrets.<name>}, which only the egress replaces.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define WR_RULES_MAX_DOMAINS 10
#define WR_RULES_MAX_DOMAIN  128 /* bytes */
#define WR_RULES_MAX_HEADERS 20  /* of one domain */
#define WR_RULES_MAX_NAME    64
#define WR_RULES_MAX_VALUE   2048
#define WR_RULES_MAX_SECRETS 32 /* placeholders of one domain */

/* Checks `rules` (an object) and gives a copy with domains in lower case, owned by the caller.
 * INVALID_ARGUMENT names domain, index and header. */
int wr_network_rules_read(const json_t *rules, bool lenient, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* A copy for clients: "***" for values that are more than placeholders. A new reference; NULL
 * without memory. */
json_t *wr_network_rules_shown(const json_t *rules) WR_MUST_CHECK;
