/* The table of the control API, and the choice between API and ingress. */
#pragma once

#include "server/server.h"

/* The handler of the HTTP servers; `data` is the struct wr_listener. */
void wr_server_handle(struct wr_exchange *ex, void *data);
/* Their on_begin: what every answer of the API carries. Answers of the ingress are left alone. */
void wr_server_begin(struct wr_exchange *ex, void *data);
