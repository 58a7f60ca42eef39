/*
 * HTTP/1.1 client side on the loop: one connection, one call at a time, kept alive between calls.
 * The same streaming contract as the server side (http/server.h).
 */
#pragma once

#include "http/h1.h"
#include "http/server.h"
#include "loop/loop.h"

struct wr_http_conn;
struct wr_http_call;

struct wr_http_call_ops {
    /* The final response head (1xx are passed over; 101 counts as final). Pointers are valid inside
     * the callback only. */
    void (*on_head)(struct wr_http_call *call, const struct wr_h1_head *head, void *data);
    void (*on_body)(struct wr_http_call *call, const char *data_ptr, size_t len, void *data);
    /* Request output fell below WR_HTTP_OUT_LOW after a write returned "full". May be NULL. */
    void (*on_drain)(struct wr_http_call *call, void *data);
    /* Last callback, exactly once unless wr_http_call_cancel() was used: the response is complete
     * (err NULL) or it failed. */
    void (*on_end)(struct wr_http_call *call, const struct wr_error *err, void *data);
};

/* `fd`: a non-blocking stream socket, connected or connecting; becomes owned (also on failure).
 * `address` non-NULL: connect() is called here first. */
struct sockaddr;
int wr_http_conn_new(struct wr_loop *loop, int fd, const struct sockaddr *address,
                     unsigned address_len, struct wr_http_conn **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* A running call ends with an error first. Accepts NULL, returns NULL. */
struct wr_http_conn *wr_http_conn_free(struct wr_http_conn *conn);
/* No call is running and the peer has not closed: a further call may start. */
bool wr_http_conn_idle(const struct wr_http_conn *conn);
/* Called when the connection becomes unusable while no call is running (the owner of a pool frees
 * it). May be NULL. Not called when a call ends with a connection that cannot be used again:
 * wr_http_conn_idle() is false in its on_end already. */
void wr_http_conn_on_lost(struct wr_http_conn *conn,
                          void (*fn)(struct wr_http_conn *conn, void *data), void *data);

/* Requests on it hold secrets: what was sent is wiped from memory. */
void wr_http_conn_wipe_sent(struct wr_http_conn *conn);

/* Starts a call on an idle connection: begin, headers, then send, or stream + write... + end. Host
 * is the caller's to add. */
int wr_http_call_begin(struct wr_http_conn *conn, const char *method, const char *target,
                       const struct wr_http_call_ops *ops, void *data, struct wr_http_call **ret,
                       struct wr_error *err) WR_MUST_CHECK;
void wr_http_call_header(struct wr_http_call *call, const char *name, const char *value);
void wr_http_call_header_n(struct wr_http_call *call, const char *name, size_t name_len,
                           const char *value, size_t value_len);
/* Whole request: Content-Length is added when len > 0 or the method is POST, PUT or PATCH. */
void wr_http_call_send(struct wr_http_call *call, const void *body, size_t len);
/* Streamed request body: content_length >= 0, or -1 for chunked. */
void wr_http_call_stream(struct wr_http_call *call, int64_t content_length);
enum wr_http_flow wr_http_call_write(struct wr_http_call *call, const void *data, size_t len);
void wr_http_call_end(struct wr_http_call *call);
/* From on_head on: whether the rest of the response has been read with its head. Not known of
 * chunked ones and of those until the close. */
bool wr_http_call_arrived(const struct wr_http_call *call);
/* Whether a byte of the request was given to the kernel, and whether one of a response was read: of
 * a call that failed, until the end of its on_end. */
bool wr_http_call_sent(const struct wr_http_call *call);
bool wr_http_call_heard(const struct wr_http_call *call);
/* Stops and restarts delivery of the response body; the socket is not read meanwhile. */
void wr_http_call_pause(struct wr_http_call *call, bool paused);
/* Cuts the connection; no further callback. */
void wr_http_call_cancel(struct wr_http_call *call);
/* After on_head with 101: gives up the socket. Returns the descriptor; the connection and the call
 * are gone without on_end. On failure a negative errno, with nothing changed. */
int wr_http_call_hijack(struct wr_http_call *call, struct wr_buf *ret_rest, struct wr_buf *ret_out);
