#include "server/api/op.h"

#include <errno.h>

#include "base/alloc.h"
#include "server/api/errors.h"
#include "server/server.h"

const struct wr_exchange_ops wr_api_op_exchange_ops = {.on_close = wr_api_op_on_close};

struct wr_api_op *wr_api_op_new(const struct wr_api_request *request, struct wr_exchange *ex)
{
    struct wr_api_op *op = wr_calloc(1, sizeof *op);
    struct wr_error error = {0};

    if (!op) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "request");
        wr_api_fail(ex, &error);
        return NULL;
    }
    op->server = request->server;
    op->who = request->who;
    op->request = request->number;
    op->ex = ex;
    op->server->running_requests++;
    return op;
}

static void op_free(struct wr_api_op *op)
{
    op->server->running_requests--;
    free(op);
}

void wr_api_op_on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct wr_api_op *op = data;

    (void)ex;
    (void)aborted;
    wr_server_touch(op->server);
    op->ex = NULL;
    if (!op->busy)
        op_free(op);
}

void wr_api_op_end(struct wr_api_op *op)
{
    op->busy = false;
    if (!op->ex)
        op_free(op);
}

void wr_api_op_on_done(const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;

    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (op->ex)
        wr_api_reply_empty(op->ex);
    wr_api_op_end(op);
}
