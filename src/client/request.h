/* Blocking requests: the loop runs until the answer is complete. */
#pragma once

#include <jansson.h>

#include "client/answer_field.h"
#include "client/transport.h"

#define WR_TRANSPORT_TIMEOUT_MS 90000 /* default of a whole request, ms */

/* What of an answer is wanted, and for how long it is waited. */
struct wr_transport_want {
    uint64_t timeout_ms; /* 0: the default */
    struct wr_answer_field *fields;
    size_t field_count;
    struct wr_buf
        *body; /* initialised by the caller, its maximum bounds the answer; NULL: dropped */
};

/* DEADLINE_EXCEEDED after its time. */
int wr_transport_ask(struct wr_transport *transport, const struct wr_transport_request *request,
                     const struct wr_transport_want *want, struct wr_error *err) WR_MUST_CHECK;
/* The body goes to `ret_body` (initialised by the caller, its maximum bounds the answer; NULL:
 * dropped). DEADLINE_EXCEEDED after `timeout_ms` (0: the default). */
int wr_transport_request(struct wr_transport *transport, const struct wr_transport_request *request,
                         uint64_t timeout_ms, struct wr_buf *ret_body, struct wr_error *err)
    WR_MUST_CHECK;
/* The same, and the body is one JSON document. *ret is owned by the caller; a 204 gives NULL. */
int wr_transport_request_json(struct wr_transport *transport,
                              const struct wr_transport_request *request, json_t **ret,
                              struct wr_error *err) WR_MUST_CHECK;
