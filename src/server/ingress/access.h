/* Who may reach which port of a sandbox, and which paths of its agent. */
#pragma once

#include "server/ingress/host.h"
#include "server/sandbox_table.h"

struct wr_h1_head;
struct wr_exchange;

#define WR_INGRESS_TOKEN "e2b-traffic-access-token"

enum wr_ingress_access {
    WR_ACCESS_GRANTED = 0,
    WR_ACCESS_NO_TOKEN = 1, /* the ports of this sandbox are private */
    WR_ACCESS_BAD_TOKEN = 2,
};

/* Whether the request carries the sandbox's traffic token, if it has one. The agent's port needs
 * none: the agent has a token of its own. Takes the same time for every wrong token. */
enum wr_ingress_access wr_ingress_access_check(const struct wr_sandbox *sandbox, uint16_t port,
                                               const struct wr_h1_head *head);
/* The path, if it is one that only the agent's owner (this server) may call there, else NULL. */
const char *wr_ingress_reserved_path(const struct wr_exchange *ex, uint16_t port);
