/*
 * Client of a Warren server on its Unix socket: calls on a private loop, several at once, each on a
 * kept-alive connection of its own. request.h has the blocking form, connect_call.h the RPC forms,
 * process.h programs in a sandbox.
 */
#pragma once

#include "http/client.h"

#define WR_CLIENT_MAX_ERROR_BODY ((size_t)64 * 1024) /* of an error answer, bytes */

struct wr_client;
struct wr_client_call;

struct wr_client_request {
    const char *method;
    const char *target;     /* path and query, percent-encoded */
    const char *sandbox_id; /* NULL: the control API; else `port` inside that sandbox */
    uint16_t port;
    const char *user;            /* NULL, or the name for HTTP Basic */
    const char *content_type;    /* NULL without body */
    uint64_t connect_timeout_ms; /* 0, or sent as Connect-Timeout-Ms */
    const char *access_token;    /* NULL, or the sandbox's: X-Access-Token */
    const char *traffic_token;   /* NULL, or the one for ports: E2B-Traffic-Access-Token */
    const char *upgrade;         /* NULL, or the protocol that the connection should switch to */
    bool text_errors;            /* error answers may be plain text */
    const void *body;            /* copied */
    size_t body_len;
    bool stream;           /* the body comes by wr_client_write() instead */
    int64_t stream_length; /* its length, or -1 */
};

/* Only answers below 400 reach on_head and on_body; others end the call with the error that they
 * carry. All but on_end may be NULL. */
struct wr_client_ops {
    void (*on_head)(struct wr_client_call *call, const struct wr_h1_head *head, void *data);
    void (*on_body)(struct wr_client_call *call, const char *bytes, size_t len, void *data);
    void (*on_drain)(struct wr_client_call *call, void *data);
    /* Last callback; the call is freed afterwards. `error` NULL: the answer is complete. */
    void (*on_end)(struct wr_client_call *call, const struct wr_error *error, void *data);
};

/* Connects once: UNAVAILABLE (os_errno ENOENT or ECONNREFUSED) when no server listens there,
 * PERMISSION_DENIED. */
int wr_client_open(const char *socket_path, struct wr_client **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Running calls end with CANCELED. Accepts NULL, returns NULL. */
struct wr_client *wr_client_free(struct wr_client *client);
struct wr_loop *wr_client_loop(const struct wr_client *client);

/* One round of the loop for the blocking functions: CANCELED once wr_client_interrupt() was called
 * (by a signal's callback), until it is allowed again. */
int wr_client_step(struct wr_client *client, int timeout_ms, struct wr_error *err) WR_MUST_CHECK;
void wr_client_interrupt(struct wr_client *client, bool on);

int wr_client_begin(struct wr_client *client, const struct wr_client_request *request,
                    const struct wr_client_ops *ops, void *data, struct wr_client_call **ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* Body of a request with `stream`; WR_HTTP_FULL: wait for on_drain. */
enum wr_http_flow wr_client_write(struct wr_client_call *call, const void *bytes, size_t len);
void wr_client_end(struct wr_client_call *call);
void wr_client_pause(struct wr_client_call *call, bool paused);
/* In on_head with status 101: gives up the socket, with what was read or not yet written ahead. The
 * call is gone without on_end. A negative errno changes nothing. */
int wr_client_hijack(struct wr_client_call *call, struct wr_buf *ret_rest, struct wr_buf *ret_out);
/* Cuts the call without further callback. Accepts NULL. */
void wr_client_cancel(struct wr_client_call *call);
