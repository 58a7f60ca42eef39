/* Cross-origin requests to the control API (the Fetch standard, "HTTP-CORS protocol"). Every origin
 * may call it: what protects it is the API key, which a browser does not add by itself. */
#pragma once

#include "http/server.h"

/* Answers a preflight; false when the request is none. */
bool wr_cors_preflight(struct wr_exchange *ex);
/* Adds the fields of an answer, after wr_exchange_begin(). */
void wr_cors_headers(struct wr_exchange *ex);
