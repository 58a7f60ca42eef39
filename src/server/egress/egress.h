/*
 * The egress: for each sandbox the listening sockets in its network namespace, its policy, its
 * budget and its log; for each connection of its processes a decision, and bytes moved both ways
 * (docs/internals/network.md).
 */
#pragma once

#include "server/egress/decision_log.h"
#include "server/sandbox_table.h"

struct wr_server;
struct wr_egress;         /* server->egress */
struct wr_egress_sandbox; /* sandbox->egress */

int wr_egress_new(struct wr_server *server, struct wr_egress **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Every sandbox must have been stopped. Accepts NULL, returns NULL. */
struct wr_egress *wr_egress_free(struct wr_egress *egress);

/* Begins to serve a sandbox that has its settings, with the sockets that its record keeps
 * (sandbox->egress_fds); without them they are asked from the engine (WR_ACTION_EGRESS). What does
 * not work is logged, and the sandbox then reaches nothing. */
void wr_egress_start(struct wr_server *server, struct wr_sandbox *sandbox);
/* Its settings have changed: connections and questions that are no longer allowed are cut. */
int wr_egress_update(struct wr_server *server, struct wr_sandbox *sandbox, struct wr_error *err)
    WR_MUST_CHECK;
/* Whether its policy has a transform, so that it has to trust the authority (trust.h). */
bool wr_egress_transforms(const struct wr_sandbox *sandbox);
/* The sandbox goes away. Idempotent. */
void wr_egress_stop(struct wr_sandbox *sandbox);

/* NULL before the start. */
struct wr_net_log *wr_egress_log(const struct wr_sandbox *sandbox);
/* Open connections of a sandbox, oldest first, for views: calls fn for each. */
struct wr_net_flow {
    uint64_t connection, began_ms; /* wall clock */
    const char *name;              /* "" when none is known */
    struct wr_ip address;
    uint16_t port;
    uint64_t bytes_out, bytes_in;
};
void wr_egress_flows(const struct wr_sandbox *sandbox,
                     void (*fn)(const struct wr_net_flow *flow, void *data), void *data);
const struct wr_net_counters *wr_egress_counters(const struct wr_server *server);
/* The authority that a sandbox with transforms has to trust, PEM; NULL with `err`. */
const char *wr_egress_authority(struct wr_server *server, struct wr_error *err);
