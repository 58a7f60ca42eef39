/*
 * HTTP/1.1 server side on the loop. One exchange = one request and its response; a connection
 * carries them one after the other (a pipelined request waits in the socket).
 *
 * Streaming contract, both directions: the connection buffers a bounded amount; a producer that was
 * told "full" waits for on_drain; a consumer that cannot take more calls wr_exchange_pause().
 * Memory per connection therefore stays bounded whatever the peer does, and an idle connection
 * holds no buffers.
 */
#pragma once

#include "http/h1.h"
#include "loop/loop.h"

struct wr_http_server;
struct wr_exchange;

struct wr_exchange_ops {
    /* Bytes of the request body, in order. Not called while paused. May be NULL: the body is read
     * and dropped. */
    void (*on_body)(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr);
    /* The request is complete. May be NULL. */
    void (*on_body_end)(struct wr_exchange *ex, void *data_ptr);
    /* Output fell below WR_HTTP_OUT_LOW after wr_exchange_write() returned "full". May be NULL. */
    void (*on_drain)(struct wr_exchange *ex, void *data_ptr);
    /* Last callback, always exactly once: the response was sent whole (`aborted` false) or the peer
     * went away, the framing was bad or a limit was hit (`aborted` true). The exchange is invalid
     * afterwards; free data_ptr here. May be NULL. */
    void (*on_close)(struct wr_exchange *ex, bool aborted, void *data_ptr);
};

/* Called when a head is complete. Reads the request, calls wr_exchange_set_ops() if it needs
 * callbacks, and may answer at once. */
typedef void (*wr_http_handler)(struct wr_exchange *ex, void *data);

struct wr_http_server_opts {
    /* Above it another connection makes room for a new one (wr_http_server_make_room()); when none
     * can, the new one is closed at once. */
    size_t max_connections;
    wr_http_handler handler;
    /* Called at the start of every final response, whoever gives it: adds the fields that all of
     * them carry, with wr_exchange_header(). May be NULL. */
    wr_http_handler on_begin;
    void *data;
    uint64_t head_timeout_ms; /* 0: WR_HTTP_HEAD_TIMEOUT_MS */
    uint64_t idle_timeout_ms; /* 0: WR_HTTP_IDLE_TIMEOUT_MS */
    /* Without a byte moved although the peer should take output or send the rest of a length or a
     * chunk: cut. Streams that are merely silent are not concerned. 0: WR_HTTP_STALL_TIMEOUT_MS */
    uint64_t stall_timeout_ms;
    /* A peer that ends its stream before it has the whole response is taken for gone: the exchange
     * is aborted. On TCP the end of a client and a half-closed stream look the same; over a unix
     * socket they differ, and a half-closed stream gets its response. */
    bool eof_aborts;
    /* The server has answered by itself: a head that cannot be read, CONNECT, bad framing, too
     * slow. `why` is borrowed. May be NULL. */
    void (*on_refused)(int status, const char *why, void *data);
    /* A connection is gone, whatever the reason; the server must not be freed inside. May be NULL.
     */
    void (*on_gone)(void *data);
};

/* `listen_fd` becomes owned (also on failure); -1: connections come by wr_http_server_adopt() only.
 */
int wr_http_server_new(struct wr_loop *loop, int listen_fd, const struct wr_http_server_opts *opts,
                       struct wr_http_server **ret, struct wr_error *err) WR_MUST_CHECK;
/* Closes the connection that waits longest for a request or for the rest of its head, so that
 * whoever opens many and says nothing keeps nobody out; else one whose response is complete and
 * whose peer does not take it. False when all have running exchanges. */
bool wr_http_server_make_room(struct wr_http_server *server);
/* Closes the listener; connections go on. Accepts NULL. */
void wr_http_server_stop_accepting(struct wr_http_server *server);
/* Closes the listener and every connection (on_close with aborted = true). Accepts NULL, returns
 * NULL. */
struct wr_http_server *wr_http_server_free(struct wr_http_server *server);
/* Serves a connected stream socket, which becomes owned (also on failure) and must be non-blocking.
 * RESOURCE_EXHAUSTED above max_connections. */
int wr_http_server_adopt(struct wr_http_server *server, int fd, struct wr_error *err) WR_MUST_CHECK;
/* 0 for NULL. */
size_t wr_http_server_connections(const struct wr_http_server *server);

/* The request. Valid until on_close. */
const struct wr_h1_head *wr_exchange_head(const struct wr_exchange *ex);
bool wr_exchange_is(const struct wr_exchange *ex, const char *method);
const char *wr_exchange_path(const struct wr_exchange *ex); /* decoded path, NUL-terminated */
/* 1 found, 0 absent, -WR_E_INVALID_ARGUMENT. */
int wr_exchange_query(const struct wr_exchange *ex, const char *name, char *out, size_t cap,
                      struct wr_error *err) WR_MUST_CHECK;
struct wr_loop *wr_exchange_loop(const struct wr_exchange *ex);
/* A number that the handler keeps with the exchange, for on_begin; 0 at first. */
void wr_exchange_set_tag(struct wr_exchange *ex, uint64_t tag);
uint64_t wr_exchange_tag(const struct wr_exchange *ex);
/* Of the response; 0 before wr_exchange_begin(). */
int wr_exchange_status(const struct wr_exchange *ex);

void wr_exchange_set_ops(struct wr_exchange *ex, const struct wr_exchange_ops *ops, void *data_ptr);
/* Stops and restarts delivery of the request body; the socket is not read meanwhile. on_body is
 * never called from inside resume. */
void wr_exchange_pause(struct wr_exchange *ex, bool paused);

/* Collects the body in memory (at most `max` bytes, else it answers 413) and then calls `fn` once;
 * `body` is borrowed. Replaces ops; `on_close` (may be NULL) is called as above. */
void wr_exchange_collect(struct wr_exchange *ex, size_t max,
                         void (*fn)(struct wr_exchange *ex, const char *body, size_t len,
                                    void *data_ptr),
                         void (*on_close)(struct wr_exchange *ex, bool aborted, void *data_ptr),
                         void *data_ptr);

/* The body that is being collected holds secrets: its memory is wiped, and that of what else comes
 * over the connection. */
void wr_exchange_wipe_body(struct wr_exchange *ex);

/*
 * The response. Order: begin, headers, then either send (head only or with a whole body) or
 * write...end. A function that fails (a handler's header with control bytes, no memory) cuts the
 * connection; on_close tells.
 */
void wr_exchange_begin(struct wr_exchange *ex, int status);
void wr_exchange_header(struct wr_exchange *ex, const char *name, const char *value);
void wr_exchange_header_n(struct wr_exchange *ex, const char *name, size_t name_len,
                          const char *value, size_t value_len);
/* Whole response: adds Content-Length (not with 1xx, 204, 304) and finishes. The body is copied. */
void wr_exchange_send(struct wr_exchange *ex, const void *body, size_t len);
/* Streamed response: Content-Length when content_length >= 0, else chunked (HTTP/1.0: until close).
 * Sends the head at once. */
void wr_exchange_stream(struct wr_exchange *ex, int64_t content_length);
enum wr_http_flow {
    WR_HTTP_MORE = 0, /* go on */
    WR_HTTP_FULL = 1, /* stop, wait for on_drain */
    WR_HTTP_GONE = 2, /* the connection is cut; on_close will be or was called */
};
enum wr_http_flow wr_exchange_write(struct wr_exchange *ex, const void *data, size_t len);
/* Bytes of the response that wait for the peer. */
size_t wr_exchange_unsent(const struct wr_exchange *ex);
/* Response complete. If the request body was not read to its end, the connection closes afterwards.
 */
void wr_exchange_end(struct wr_exchange *ex);
/* Cuts the connection at once (mid-body failures: the peer must see a truncated body). on_close is
 * called from the loop. */
void wr_exchange_abort(struct wr_exchange *ex);
/* Whether a whole body of that size may be given to wr_exchange_send() or wr_exchange_reply():
 * those above WR_HTTP_OUT_MAX stay in memory until their peers have taken them, and all of a
 * server's together are bounded. When there is none, connections whose peers take nothing are
 * closed first. */
bool wr_exchange_has_room(const struct wr_exchange *ex, size_t len);
/* begin + content-type + send. */
void wr_exchange_reply(struct wr_exchange *ex, int status, const char *content_type,
                       const void *body, size_t len);
/* After a 101 or before any response: gives up the socket. `ret_rest` (initialised by the caller)
 * receives bytes already read. The exchange is gone without on_close. The pending output (a 101
 * head) is left in `ret_out`. */
int wr_exchange_hijack(struct wr_exchange *ex, struct wr_buf *ret_rest, struct wr_buf *ret_out);
