/*
 * Calls to an endpoint (endpoint.h) on a private loop, several at once, each on a kept-alive
 * connection of its own. There is no thread: things move inside wr_transport_step(), and one thread
 * at a time uses a transport. request.h has the blocking form, connect_call.h the RPC forms,
 * process.h programs in a sandbox.
 */
#pragma once

#include "client/endpoint.h"
#include "http/client.h"

#define WR_TRANSPORT_MAX_ERROR_BODY ((size_t)64 * 1024) /* of an error answer, bytes */

struct wr_transport;
struct wr_transport_call;

struct wr_transport_header {
    const char *name, *value;
};

/* Copied by wr_transport_begin(). */
struct wr_transport_request {
    const char *method;
    const char *target;     /* path and query, percent-encoded */
    const char *sandbox_id; /* NULL: the control API; else `port` inside that sandbox */
    uint16_t port;
    const char *sandbox_domain;  /* as its creation told; NULL: the endpoint's domain */
    const char *user;            /* NULL, or the name for HTTP Basic */
    const char *content_type;    /* NULL without body */
    uint64_t connect_timeout_ms; /* 0, or sent as Connect-Timeout-Ms */
    const char *access_token;    /* NULL, or the sandbox's: X-Access-Token */
    const char *traffic_token;   /* NULL, or the one for ports: E2B-Traffic-Access-Token */
    const char *upgrade;         /* NULL, or the protocol that the connection should switch to */
    const struct wr_transport_header *headers; /* further ones */
    size_t header_count;
    bool text_errors; /* error answers may be plain text */
    const void *body;
    size_t body_len;
    bool stream;           /* the body comes by wr_transport_write() instead */
    int64_t stream_length; /* its length, or -1 */
};

/* Only answers below 300 reach on_head and on_body; others end the call with the error that they
 * carry. All but on_end may be NULL. */
struct wr_transport_ops {
    void (*on_head)(struct wr_transport_call *call, const struct wr_h1_head *head, void *data);
    void (*on_body)(struct wr_transport_call *call, const char *bytes, size_t len, void *data);
    void (*on_drain)(struct wr_transport_call *call, void *data);
    /* Last callback; the call is freed afterwards. `error` NULL: the answer is complete. */
    void (*on_end)(struct wr_transport_call *call, const struct wr_error *error, void *data);
};

/* Holds the endpoint. To a socket it connects once: UNAVAILABLE (os_errno ENOENT or ECONNREFUSED)
 * when no server listens there, PERMISSION_DENIED. To anything else it connects with the first
 * call. */
int wr_transport_open(struct wr_endpoint *endpoint, struct wr_transport **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The same for a socket. */
int wr_transport_open_socket(const char *socket_path, struct wr_transport **ret,
                             struct wr_error *err) WR_MUST_CHECK;
/* Running calls end with CANCELED. Accepts NULL, returns NULL. */
struct wr_transport *wr_transport_free(struct wr_transport *transport);
/* The same in a forked child: its copies are closed, and its parent goes on with the connections.
 */
struct wr_transport *wr_transport_abandon(struct wr_transport *transport);
struct wr_loop *wr_transport_loop(const struct wr_transport *transport);

/* One round of the loop for the blocking functions: CANCELED once wr_transport_interrupt() was
 * called (by a signal's callback), until it is allowed again, and while the watched descriptor is
 * readable. */
int wr_transport_step(struct wr_transport *transport, int timeout_ms, struct wr_error *err)
    WR_MUST_CHECK;
void wr_transport_interrupt(struct wr_transport *transport, bool on);
/* From now on steps end with CANCELED while `fd` (borrowed, as wr_cancel_fd() gives it) is
 * readable, and at once when it becomes so; -1: no longer. In place of the one before. */
int wr_transport_watch_cancel(struct wr_transport *transport, int fd, struct wr_error *err)
    WR_MUST_CHECK;

/*
 * A call on a connection that waits for one, or on a new one; on_end is never called inside. With a
 * socket a failed connection is the result; otherwise it ends the call: UNAVAILABLE with the host
 * and the reason, DEADLINE_EXCEEDED after the endpoint's connect timeout.
 *
 * A call that fails on a connection that had one before, without a byte of an answer, is begun once
 * more on a new connection if that is safe: for GET, HEAD and DELETE, and when no byte of it was
 * sent; never with `stream`. Else it is UNAVAILABLE, and whether the server has acted is not known.
 *
 * An answer of 300 or more ends the call with the code that fits it, and retry_after_ms is what its
 * Retry-After says (at most an hour). Redirections are not followed: FAILED_PRECONDITION. 401 of
 * the control API: UNAUTHENTICATED, naming E2B_API_KEY.
 */
int wr_transport_begin(struct wr_transport *transport, const struct wr_transport_request *request,
                       const struct wr_transport_ops *ops, void *data,
                       struct wr_transport_call **ret, struct wr_error *err) WR_MUST_CHECK;
/* Body of a request with `stream`; WR_HTTP_FULL: wait for on_drain. */
enum wr_http_flow wr_transport_write(struct wr_transport_call *call, const void *bytes, size_t len);
void wr_transport_end(struct wr_transport_call *call);
void wr_transport_pause(struct wr_transport_call *call, bool paused);
/* In on_head with status 101: gives up the socket, with what was read or not yet written ahead. The
 * call is gone without on_end. A negative errno changes nothing. */
int wr_transport_hijack(struct wr_transport_call *call, struct wr_buf *ret_rest,
                        struct wr_buf *ret_out);
/* HTTP status of its answer, in its callbacks, on_end too; 0: there was none. */
int wr_transport_status(const struct wr_transport_call *call);
/* Cuts the call without further callback. Accepts NULL. */
void wr_transport_cancel(struct wr_transport_call *call);
