/* The option --team of several commands. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

/* The id of the team with that id, name or short name, or "" for `wanted` NULL (the default team).
 * `ret_id` holds 37 bytes. NOT_FOUND. */
int wr_team_choose(struct wr_transport *client, const char *wanted, char ret_id[static 37],
                   struct wr_error *err) WR_MUST_CHECK;
