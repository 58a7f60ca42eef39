/* The table of the control API, and the choice between API and ingress. */
#pragma once

#include "server/server.h"

/* The handler of the HTTP server; `data` is the struct wr_listener. */
void wr_server_handle(struct wr_exchange *ex, void *data);
