/* Events of a sandbox's life: a line of the log, and an entry in the store that clients can read.
 */
#pragma once

#include "server/lifecycle.h"

/* `type` is "created", "killed" or "updated". A store that does not take it is logged and
 * otherwise ignored: what has happened has happened. */
void wr_event(struct wr_server *server, const char *sandbox_id, const char *team_id,
              const char *type, const struct wr_cause *cause);
