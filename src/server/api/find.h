/* From a path's parameter to the sandbox, for a caller who may see it. */
#pragma once

#include "http/server.h"
#include "server/request.h"
#include "server/sandbox_table.h"

/* `<id>` or `<id>-<clientID>`. NULL: answered, with 404 (also for those of other teams, and for
 * those that are being killed) or 400. */
struct wr_sandbox *wr_api_find(struct wr_server *server, struct wr_exchange *ex,
                               const struct wr_principal *who, const char *param);
/* The same for what only a running one can do: others are 409. */
struct wr_sandbox *wr_api_find_running(struct wr_server *server, struct wr_exchange *ex,
                                       const struct wr_principal *who, const char *param);
/* That answer, for one in any other state. */
void wr_api_not_running(struct wr_exchange *ex, const struct wr_sandbox *sandbox);
/* Also one that is being killed: the caller looks at its state. */
struct wr_sandbox *wr_api_find_any(struct wr_server *server, struct wr_exchange *ex,
                                   const struct wr_principal *who, const char *param);
