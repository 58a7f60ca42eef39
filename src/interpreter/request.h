/*
 * Bodies of requests. What does not fit is answered as FastAPI, which clients know, does it: 422
 * with {"detail":[{"type","loc","msg"}, ...]}, one entry per field. Unknown fields are ignored,
 * null is absent.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"

/* Everything is borrowed from `json`; absent texts are NULL. */
struct wr_execute_request {
    json_t *json; /* owned */
    const char *code;
    size_t code_len;
    const char *context_id;
    const char *language;
    json_t *env_vars; /* NULL: none */
};
struct wr_context_options {
    json_t *json; /* owned */
    const char *cwd;
    const char *language;
};

/* True when it could be read; else `detail` holds the answer's body (empty without memory). */
bool wr_execute_request_read(const char *body, size_t len, struct wr_execute_request *ret,
                             struct wr_buf *detail) WR_MUST_CHECK;
void wr_execute_request_done(struct wr_execute_request *request);
#define wr_auto_execute_request WR_CLEANUP(wr_execute_request_done) struct wr_execute_request

bool wr_context_options_read(const char *body, size_t len, struct wr_context_options *ret,
                             struct wr_buf *detail) WR_MUST_CHECK;
void wr_context_options_done(struct wr_context_options *options);
#define wr_auto_context_options WR_CLEANUP(wr_context_options_done) struct wr_context_options

#define WR_DETAIL_MAX ((size_t)16 * 1024)
