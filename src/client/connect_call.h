/* Connect RPCs to the agent of a sandbox: unary and server-streaming, JSON codec. Both are
 * asynchronous on the transport's loop. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

struct wr_rpc;

struct wr_rpc_request {
    const char *sandbox_id;
    const char *path;           /* "/process.Process/Start" */
    const char *sandbox_domain; /* as its creation told; NULL: the endpoint's */
    const char *access_token;   /* NULL: none; a socket needs none */
    const char *user;           /* NULL: the template's default user */
    const char *message;        /* JSON object; copied */
    size_t message_len;
    uint64_t timeout_ms; /* 0: none; ends the call on the other side */
};

/* Exactly one of `answer` (borrowed) and `error` is non-NULL. Called once, later. */
typedef void (*wr_rpc_unary_fn)(const json_t *answer, const struct wr_error *error, void *data);
int wr_rpc_unary(struct wr_transport *transport, const struct wr_rpc_request *request,
                 wr_rpc_unary_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;

struct wr_rpc_stream_ops {
    void (*on_message)(struct wr_rpc *rpc, const json_t *message, void *data);
    /* Last callback; the rpc is freed afterwards. `error` NULL: the stream ended well. */
    void (*on_end)(struct wr_rpc *rpc, const struct wr_error *error, void *data);
};
int wr_rpc_stream(struct wr_transport *transport, const struct wr_rpc_request *request,
                  const struct wr_rpc_stream_ops *ops, void *data, struct wr_rpc **ret,
                  struct wr_error *err) WR_MUST_CHECK;
void wr_rpc_pause(struct wr_rpc *rpc, bool paused);
/* Without further callback. Accepts NULL; not from inside on_message. */
void wr_rpc_cancel(struct wr_rpc *rpc);
