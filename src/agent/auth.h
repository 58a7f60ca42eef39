/* Who may call, and who a request acts as. */
#pragma once

#include "agent/agent.h"
#include "agent/fs/signature.h"
#include "agent/user.h"
#include "http/server.h"

/* Whether the request carries the access token, or there is none in the configuration. */
bool wr_auth_has_token(const struct wr_agent_config *config, const struct wr_exchange *ex)
    WR_MUST_CHECK;
/* Whether the request carries the control token; without one in the configuration none does. */
bool wr_auth_has_control(const struct wr_agent_config *config, const struct wr_exchange *ex)
    WR_MUST_CHECK;
/* Wipes and frees a token; `*token`, which may be NULL, becomes NULL. */
void wr_auth_drop_token(char **token);
/* Whether the request may be answered at all: without a token in the configuration all may, else
 * it carries the token, or its route is open or checks for itself; in a blank sandbox no route is.
 */
bool wr_auth_allows(const struct wr_agent_config *config, const struct wr_exchange *ex)
    WR_MUST_CHECK;

/*
 * Files: the token in the header, or a signature in the query. `link` is what the query asks for;
 * `signature` is empty when it has none. WR_E_UNAUTHENTICATED with the reason. Always allowed
 * without a token in the configuration.
 */
int wr_auth_link(const struct wr_agent_config *config, const struct wr_exchange *ex,
                 const struct wr_signed_link *link, const char *signature, struct wr_error *err)
    WR_MUST_CHECK;

/* RPC: the user name of HTTP Basic (the password is ignored), else the default user.
 * WR_E_UNAUTHENTICATED for an unknown one. */
int wr_auth_user(const struct wr_agent_config *config, const struct wr_exchange *ex,
                 struct wr_user *ret, struct wr_error *err) WR_MUST_CHECK;
