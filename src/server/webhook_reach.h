/*
 * Which addresses a webhook may have. Those of a team's members reach what the Internet reaches,
 * never this host, private networks or cloud metadata, whatever their names resolve to. Where the
 * operator has given the address, through the server's own socket, loopback and private networks
 * are open too: who has that socket reaches them anyway. Warren's own listeners are closed to both.
 * The setting webhook-open opens ranges for everybody.
 */
#pragma once

#include "server/webhook_call.h"

struct wr_server;

struct wr_webhook_reach {
    struct wr_webhook_way way;
    struct wr_net_guard *anybody, *operator; /* owned */
    uint64_t refreshed_ms;                   /* monotonic: this host's addresses were read */
};

/* Zeroed before. Before the listeners get their HTTP servers. */
int wr_webhook_reach_init(struct wr_webhook_reach *reach, const struct wr_server *server,
                          struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one, and one whose init has failed. */
void wr_webhook_reach_done(struct wr_webhook_reach *reach);
/* For an address that the operator has given, or somebody. */
const struct wr_net_guard *wr_webhook_reach_guard(struct wr_webhook_reach *reach, bool local);
