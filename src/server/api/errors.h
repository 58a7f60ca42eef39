/* Answers of the control API. Errors are {"code": <HTTP status>, "message": "..."}. */
#pragma once

#include "http/server.h"

/* The HTTP status of an error. RESOURCE_EXHAUSTED is 429 where it is about a limit, which asking
 * less often or ending something mends, and 507 where the host lacks something (os_errno): clients
 * that see 429 try again without a word, and a full disk stays full. */
int wr_api_status(const struct wr_error *error);
/* That status, and the error's text. */
void wr_api_fail(struct wr_exchange *ex, const struct wr_error *error);
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
