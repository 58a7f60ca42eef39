#include "server/api/op.h"

#include <errno.h>

#include "base/alloc.h"
#include "server/api/errors.h"
#include "server/server.h"

const struct wr_exchange_ops wr_api_op_exchange_ops = {.on_close = wr_api_op_on_close};

struct wr_api_op *wr_api_op_new(struct wr_server *server, struct wr_exchange *ex)
{
    struct wr_api_op *op = wr_calloc(1, sizeof *op);
    struct wr_error error = {0};

    if (!op) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "request");
        wr_api_fail(ex, &error);
        return NULL;
    }
    op->server = server;
    op->ex = ex;
    return op;
}

void wr_api_op_on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct wr_api_op *op = data;

    (void)ex;
    (void)aborted;
    wr_server_touch(op->server);
    op->ex = NULL;
    if (!op->busy)
        free(op);
}

void wr_api_op_end(struct wr_api_op *op)
{
    op->busy = false;
    if (!op->ex)
        free(op);
}
