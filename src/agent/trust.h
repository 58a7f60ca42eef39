/*
 * /trust: one further certificate authority in the sandbox's trust stores, that of the egress
 * (docs/internals/transforms.md). It is in the list that most programs read, in OpenSSL's
 * directory, and named by variables in the environment of every process that is started later, for
 * those that bring lists of their own. Whatever else is in the stores stays as it is. The token was
 * checked before; from outside, the ingress answers for this path.
 */
#pragma once

#include "agent/state.h"
#include "http/server.h"

/* PUT {"certificate": PEM, "hash": "8 hex characters"}; 204. Idempotent; replaces another one. */
void wr_trust_put(struct wr_agent *agent, struct wr_exchange *ex);
/* DELETE; 204, also when there is none. */
void wr_trust_delete(struct wr_agent *agent, struct wr_exchange *ex);
