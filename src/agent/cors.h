/* Calls from web pages: any origin may call, what protects the sandbox is its token. */
#pragma once

#include "http/server.h"

/* A wr_http_handler for every response (struct wr_http_server_opts.on_begin). */
void wr_cors_fields(struct wr_exchange *ex, void *data);
/* Answers a preflight request. False when this is none. */
bool wr_cors_preflight(struct wr_exchange *ex) WR_MUST_CHECK;
