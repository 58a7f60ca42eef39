/* The error that an HTTP answer carries. */
#pragma once

#include "base/error.h"

/*
 * Understands the forms {"code": <number>, "message"} (control API, ingress, /files) and {"code":
 * "<connect name>", "message"} (RPC); anything else becomes the code of the HTTP status with the
 * status in the text. A redirection (3xx) is followed nowhere, since keys and tokens are for the
 * host that was asked: FAILED_PRECONDITION. Always fills `out`, and never with the code 0; control
 * characters of the other side's become blanks.
 */
void wr_answer_error(int http_status, const char *body, size_t len, struct wr_error *out);
/* For services that answer errors in plain text: one short line becomes the message. */
void wr_answer_error_text(int http_status, const char *body, size_t len, struct wr_error *out);
