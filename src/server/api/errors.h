/* Answers of the control API. Errors are {"code": <HTTP status>, "message": "..."}. */
#pragma once

#include "http/server.h"

/* The error's own status and text. */
void wr_api_fail(struct wr_exchange *ex, const struct wr_error *error);
/* The same for what the engine did, where RESOURCE_EXHAUSTED is the host's business: 507, as 429
 * makes clients try again, and a full disk stays full. */
void wr_api_fail_host(struct wr_exchange *ex, const struct wr_error *error);
void wr_api_error(struct wr_exchange *ex, int status, const char *message);
/* With a third member "error_code", a word for programs; NULL: without. */
void wr_api_error_code(struct wr_exchange *ex, int status, const char *message,
                       const char *error_code);
/* The same with 404 and the words that E2B clients look for. */
void wr_api_no_sandbox(struct wr_exchange *ex, const char *id);
/* 404 for a path, 405 for a method. */
void wr_api_no_route(struct wr_exchange *ex, int status);
/* A JSON document; cuts the connection when `r` (of wr_jw_finish) says that it is not complete. */
void wr_api_reply_json(struct wr_exchange *ex, int status, const struct wr_buf *body, int r);
/* 204. */
void wr_api_reply_empty(struct wr_exchange *ex);
