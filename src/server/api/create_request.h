/* The body of POST /sandboxes: parsed, every field bounded, unknown fields refused by name. */
#pragma once

#include "server/lifecycle.h"

struct wr_create_request {
    json_t *body; /* owned; the spec points into it */
    struct wr_create_spec spec;
};

int wr_create_request_parse(const char *text, size_t len, struct wr_create_request *ret,
                            struct wr_error *err) WR_MUST_CHECK;
void wr_create_request_done(struct wr_create_request *request);
