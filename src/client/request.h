/* Blocking requests: the loop runs until the answer is complete. */
#pragma once

#include <jansson.h>

#include "client/client.h"

#define WR_CLIENT_TIMEOUT_MS 90000 /* default of a whole request, ms */

/* The body goes to `ret_body` (initialised by the caller, its maximum bounds the answer; NULL:
 * dropped). DEADLINE_EXCEEDED after `timeout_ms` (0: the default). */
int wr_client_request(struct wr_client *client, const struct wr_client_request *request,
                      uint64_t timeout_ms, struct wr_buf *ret_body, struct wr_error *err)
    WR_MUST_CHECK;
/* The same, and the body is one JSON document. *ret is owned by the caller; a 204 gives NULL. */
int wr_client_request_json(struct wr_client *client, const struct wr_client_request *request,
                           json_t **ret, struct wr_error *err) WR_MUST_CHECK;
