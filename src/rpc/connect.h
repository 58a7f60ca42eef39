/*
 * The Connect protocol v1 over HTTP/1.1, server side: unary, server-streaming and client-streaming
 * calls, in the JSON and the binary codec. A table of methods stands behind one dispatcher.
 *
 * The dispatcher checks path, HTTP method, content type, encoding and Connect-Timeout-Ms. For unary
 * and server-streaming calls it collects the request message (the whole body; the first envelope,
 * anything behind it is ignored) and calls the handler with it, in normalised JSON. For
 * client-streaming calls it calls the handler at once, which then receives the messages by
 * wr_connect_receive(). Errors before the handler are answered in the form that the method's kind
 * wants.
 */
#pragma once

#include <jansson.h>

#include "rpc/answer.h"
#include "rpc/envelope.h"

enum wr_connect_kind {
    WR_CONNECT_UNARY = 0,
    WR_CONNECT_SERVER_STREAM = 1,
    WR_CONNECT_CLIENT_STREAM = 2,
};

struct wr_connect_call;

struct wr_connect_method {
    const char *path; /* "/process.Process/Start" */
    enum wr_connect_kind kind;
    const struct wr_proto_message *request, *response;
    void (*handler)(const struct wr_connect_call *call, void *data);
};

/* What a handler gets; valid during its call only, `out` may be copied. */
struct wr_connect_call {
    struct wr_exchange *ex;
    struct wr_connect_out out;
    json_t *request;     /* borrowed, an object; NULL for client streams */
    uint64_t timeout_ms; /* Connect-Timeout-Ms; 0: none */
    const struct wr_connect_method *method;
    bool gzip; /* messages of a client stream may be compressed */
};

/* True when the path belongs to one of the methods (and the exchange was taken care of). */
bool wr_connect_dispatch(const struct wr_connect_method *methods, size_t count,
                         struct wr_exchange *ex, void *data) WR_MUST_CHECK;

/* One message of a request: decompressed, parsed, normalised. `*ret` is owned by the caller. */
int wr_connect_parse(const struct wr_proto_message *message, enum wr_connect_codec codec,
                     const struct wr_envelope *envelope, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
