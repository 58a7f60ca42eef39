/*
 * The Connect protocol v1 over HTTP/1.1, JSON codec: envelopes, errors, and both kinds of server
 * handlers. (E2B's envd speaks it; unary and server-streaming are what clients use.)
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/server.h"

#define WR_CONNECT_HEADER_LEN  5
#define WR_CONNECT_END_STREAM  0x02
#define WR_CONNECT_MAX_MESSAGE (4 * 1024 * 1024)

/* Appends flags, big-endian length and payload. 0 or -errno. */
int wr_connect_write_envelope(struct wr_buf *out, uint8_t flags, const void *payload, size_t len)
    WR_MUST_CHECK;
/* Looks at the front of `data`: the length of the whole envelope with its payload in *ret_payload,
 * 0 when more bytes are needed, -WR_E_* for a compressed or over-long one. */
ssize_t wr_connect_read_envelope(const char *data, size_t len, uint8_t *ret_flags,
                                 const char **ret_payload, size_t *ret_payload_len,
                                 struct wr_error *err) WR_MUST_CHECK;

/* Unary: answers `{"code","message"}` with the code's HTTP status. */
void wr_connect_reply_error(struct wr_exchange *ex, const struct wr_error *error);
/* Unary: 200 with `json` (len 0: "{}"). */
void wr_connect_reply(struct wr_exchange *ex, const char *json, size_t len);

/* Streaming: sends the 200 head with application/connect+json. */
void wr_connect_stream_start(struct wr_exchange *ex);
/* One message. */
enum wr_http_flow wr_connect_stream_message(struct wr_exchange *ex, const char *json, size_t len);
/* The end-of-stream envelope; `error` NULL means success. Ends the response. */
void wr_connect_stream_end(struct wr_exchange *ex, const struct wr_error *error);

/*
 * A table of methods behind one dispatcher. The dispatcher checks path, method, content type,
 * Connect-Timeout-Ms (into timeout_ms, 0 = none), collects the request message (unary: whole body;
 * streaming: first envelope) and calls the handler with the parsed object. Errors before the
 * handler are answered in the form that the method's kind wants.
 */
struct wr_connect_call {
    struct wr_exchange *ex;
    json_t *request;     /* borrowed, an object */
    uint64_t timeout_ms; /* 0: none */
};
struct wr_connect_method {
    const char *path; /* "/process.Process/Start" */
    bool streaming;
    void (*handler)(const struct wr_connect_call *call, void *data);
};
/* True when the path belongs to one of the methods (and the exchange was taken care of). */
bool wr_connect_dispatch(const struct wr_connect_method *methods, size_t count,
                         struct wr_exchange *ex, void *data) WR_MUST_CHECK;
