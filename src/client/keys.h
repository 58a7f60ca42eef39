/* API keys, teams and what the server says of itself, from the operator's side. Blocking. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

/* The answer of GET /version on the Unix socket; owned by the caller, as all that follow. */
int wr_server_info(struct wr_transport *transport, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;

/* `team_id` NULL: the default team. "key" of *ret is the only place where the key is. */
int wr_key_create(struct wr_transport *transport, const char *name, const char *team_id,
                  json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* An array: the keys of all teams. */
int wr_key_list(struct wr_transport *transport, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND when there is none. */
int wr_key_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
    WR_MUST_CHECK;

int wr_team_create(struct wr_transport *transport, const char *name, json_t **ret,
                   struct wr_error *err) WR_MUST_CHECK;
/* An array. */
int wr_team_list(struct wr_transport *transport, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* The team with that id, name or short name among `teams`, borrowed; NULL: none. */
const json_t *wr_team_find(const json_t *teams, const char *wanted);
