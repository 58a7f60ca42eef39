/* Who a request acts as. */
#pragma once

#include "agent/agent.h"
#include "agent/user.h"
#include "http/server.h"

/* RPC: the user name of HTTP Basic (the password is ignored), else the default user.
 * WR_E_UNAUTHENTICATED for an unknown one. */
int wr_auth_user(const struct wr_agent_config *config, const struct wr_exchange *ex,
                 struct wr_user *ret, struct wr_error *err) WR_MUST_CHECK;
