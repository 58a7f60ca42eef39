/*
 * A request that waits for its body or for the engine. The exchange may close at any time (the
 * client went away), the engine answers once: the op lives until both have happened.
 */
#pragma once

#include "http/server.h"
#include "server/request.h"

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
/* The on_close of its exchange. */
void wr_api_op_on_close(struct wr_exchange *ex, bool aborted, void *op);
/* For requests without a body that is read. */
extern const struct wr_exchange_ops wr_api_op_exchange_ops;
/* Last call of the engine's callback: frees the op when the exchange is closed already. */
void wr_api_op_end(struct wr_api_op *op);
/* A wr_done_fn for ops whose answer says no more than that it is done: 204 or the error, and the
 * end of the op. */
void wr_api_op_on_done(const struct wr_error *error, void *op);
