/* /events/sandboxes: what has happened to a team's sandboxes, or to those of all teams for the
 * operator, as long as events are kept. */
#pragma once

#include "http/router.h"
#include "server/auth/auth.h"

void wr_api_events(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
/* Of one that may be gone; [] when nothing is known of it. */
void wr_api_events_sandbox(struct wr_exchange *ex, const struct wr_route_match *match, void *data);

/* The team that a request is about: its parameter `teamID`, else that of the key, else "" for the
 * operator. PERMISSION_DENIED for teams of others. */
int wr_api_events_team(const struct wr_exchange *ex, const struct wr_principal *who,
                       char out[static WR_UUID_LEN + 1], struct wr_error *err) WR_MUST_CHECK;
