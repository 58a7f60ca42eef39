/* Secrets, from the operator's side. Blocking. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

#define WR_API_SECRET_VALUE_MAX 8192

/* A new secret, or a new version of one that is there. *ret is what the server says of it, owned by
 * the caller. `team_id` NULL: the default team, as below. The value is not kept in memory. */
int wr_secret_set(struct wr_transport *transport, const char *team_id, const char *name,
                  const char *value, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* An array: all of the team. */
int wr_secret_list(struct wr_transport *transport, const char *team_id, json_t **ret,
                   struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_secret_remove(struct wr_transport *transport, const char *team_id, const char *name,
                     struct wr_error *err) WR_MUST_CHECK;
