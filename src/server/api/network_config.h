/*
 * The `network` of a sandbox, at its creation and in PUT /sandboxes/{id}/network: what may leave
 * the sandbox, and how its ports are reached. Checked here, kept with the sandbox's settings, and
 * compiled by egress/policy.h.
 *
 *   allowOut, denyOut, dnsServers     network_lists.h
 *   rules                             network_rules.h
 *   egressProxy                       network_proxy.h
 *   group, hostname                   Warren's own: names that sandboxes of a group have
 *   allowPublicTraffic, maskRequestHost    of a creation: how its ports are reached
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define WR_NETWORK_MAX_ENTRIES 1000 /* of allowOut, denyOut, each */
#define WR_ALL_TRAFFIC         "0.0.0.0/0"

enum wr_network_use {
    WR_NETWORK_CREATE = 0,
    WR_NETWORK_UPDATE = 1, /* without what only a creation can set; "allow_internet_access" is
                              allowed and left to the caller */
};

struct wr_network_reading {
    enum wr_network_use use;
    bool lenient;     /* unknown fields are left out, not refused */
    bool no_internet; /* the request says allow_internet_access: false, beside `network` */
};

/* Checks `network` (an object) and gives a copy of what is to be kept, owned by the caller; it may
 * hold secrets. INVALID_ARGUMENT names field and index, with E2B's words first where it has some.
 * UNIMPLEMENTED is not used: what Warren cannot do is INVALID_ARGUMENT too, with its name. */
int wr_network_config_read(const json_t *network, const struct wr_network_reading *reading,
                           json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* The whole configuration after an update: its fields, and of `before` (may be NULL) those that
 * only a creation can set. A new reference; NULL without memory. */
json_t *wr_network_config_update(const json_t *before, const json_t *update) WR_MUST_CHECK;
/* As clients see it: without the proxy's password, and "***" for values of headers that are more
 * than placeholders. A new reference; NULL without memory. */
json_t *wr_network_config_shown(const json_t *network) WR_MUST_CHECK;
/* Whether ports are open to everybody; `network` may be NULL. */
bool wr_network_config_is_public(const json_t *network);
