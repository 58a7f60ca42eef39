#include "server/api/op.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
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

void wr_api_op_begin(struct wr_exchange *ex, const struct wr_route_match *match,
                     const struct wr_api_request *request, int variant,
                     void (*on_body)(struct wr_exchange *ex, const char *body, size_t len,
                                     void *data))
{
    struct wr_api_op *op = wr_api_op_new(request, ex);

    if (!op)
        return;
    op->variant = variant;
    /* What is too long to be an id is cut to something else that is none. */
    if (!wr_strformat(op->id, sizeof op->id, "%.60s", match->params[0]))
        op->id[0] = '\0';
    wr_exchange_collect(ex, WR_API_OP_MAX_BODY, on_body, wr_api_op_on_close, op);
}

int wr_api_op_read(const struct wr_api_op *op, const char *body, size_t len,
                   const struct wr_json_field *fields, size_t count, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    bool optional = true;

    for (size_t i = 0; i < count; i++)
        optional = optional && !fields[i].required;
    if (len == 0 && optional)
        return 0;
    int r = wr_json_parse(body, len, &json, err);
    if (r == 0)
        r = wr_json_read(
            json, fields, count,
            op->server->config->lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
    return r < 0 ? wr_wrap(err, "validation error") : 0;
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
