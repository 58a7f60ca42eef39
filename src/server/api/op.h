/*
 * A request that waits for its body or for the engine. The exchange may close at any time (the
 * client went away), the engine answers once: the op lives until both have happened.
 */
#pragma once

#include "http/router.h"
#include "http/server.h"
#include "json/jread.h"
#include "server/request.h"

#define WR_API_OP_MAX_BODY 4096 /* of wr_api_op_begin() */

struct wr_api_op {
    struct wr_server *server;
    struct wr_principal who;
    uint64_t request;       /* its number */
    struct wr_exchange *ex; /* NULL once closed */
    bool busy;              /* the engine will call back */
    bool mounting;          /* a creation with volumes */
    int variant;            /* what the handler likes: which one of two routes it was */
    char id[64];            /* the sandbox that the request is about or has made, if any */
    char template_name[64]; /* that a creation was asked with */
};

/* Answers 503 and returns NULL without memory. */
struct wr_api_op *wr_api_op_new(const struct wr_api_request *request, struct wr_exchange *ex)
    WR_MUST_CHECK;
/* A request about the sandbox in the path, with a small body that is read first: `on_body` gets the
 * op as `data`. Without memory: answered. */
void wr_api_op_begin(struct wr_exchange *ex, const struct wr_route_match *match,
                     const struct wr_api_request *request, int variant,
                     void (*on_body)(struct wr_exchange *ex, const char *body, size_t len,
                                     void *data));
/* The body's fields, numbers and flags: the document is gone afterwards. An empty body is {} when
 * nothing is required. */
int wr_api_op_read(const struct wr_api_op *op, const char *body, size_t len,
                   const struct wr_json_field *fields, size_t count, struct wr_error *err)
    WR_MUST_CHECK;
/* The on_close of its exchange. */
void wr_api_op_on_close(struct wr_exchange *ex, bool aborted, void *op);
/* For requests without a body that is read. */
extern const struct wr_exchange_ops wr_api_op_exchange_ops;
/* Last call of the engine's callback: frees the op when the exchange is closed already. */
void wr_api_op_end(struct wr_api_op *op);
/* A wr_done_fn for ops whose answer says no more than that it is done: 204 or the error, and the
 * end of the op. */
void wr_api_op_on_done(const struct wr_error *error, void *op);
