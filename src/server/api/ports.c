#include "server/api/ports.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/ingress/dial.h"
#include "server/ingress/raw.h"
#include "server/ingress/tunnel.h"
#include "server/ingress/waking.h"
#include "server/server.h"

#define PROTOCOL "tcp"

struct port_op {
    struct wr_server *server;
    struct wr_exchange *ex;
    struct wr_waking waking;
    struct wr_dial dial;
    bool pair;
    char id[WR_ID_LEN + 1];
};

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct port_op *op = data;

    (void)ex;
    (void)aborted;
    wr_waking_cancel(&op->waking);
    wr_dial_cancel(&op->dial);
    wr_server_touch(op->server);
    free(op);
}

static const struct wr_exchange_ops exchange_ops = {.on_close = on_close};

static void refuse(struct port_op *op, const struct wr_error *error)
{
    char text[128];

    if (error->os_errno == ECONNREFUSED) {
        (void)snprintf(text, sizeof text, "nothing listens on port %u of sandbox %s", op->dial.port,
                       op->id);
        wr_api_error_code(op->ex, 502, text, "port_closed");
    } else {
        wr_api_fail(op->ex, error);
    }
}

static void join(struct port_op *op, struct wr_upstream *upstream)
{
    static const struct wr_exchange_ops no_ops = {0};
    wr_auto_buf to_service = WR_BUF(WR_HTTP_OUT_MAX), to_client = WR_BUF(WR_HTTP_OUT_MAX);
    struct wr_exchange *ex = op->ex;
    bool pair = op->pair;

    wr_exchange_set_ops(ex, &no_ops, NULL);
    free(op);
    wr_exchange_begin(ex, 101);
    wr_exchange_header(ex, "Connection", "Upgrade");
    wr_exchange_header(ex, "Upgrade", PROTOCOL);
    int fds[2] = {wr_exchange_hijack(ex, &to_service, &to_client), upstream->fd};
    if (fds[0] < 0) {
        wr_exchange_abort(ex);
        (void)wr_close(fds[1]);
        wr_upstream_close(upstream);
        return;
    }
    wr_tunnel_join(upstream, fds, (struct wr_buf *const[]){&to_client, &to_service}, pair);
}

static void reach(struct port_op *op);

static void on_dialled(struct wr_dial *dial, struct wr_upstream *upstream,
                       const struct wr_error *error)
{
    struct port_op *op = wr_container_of(dial, struct port_op, dial);
    const struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);

    if (!error)
        join(op, upstream);
    else if (sandbox && sandbox->state == WR_SANDBOX_RUNNING)
        refuse(op, error);
    else
        reach(op); /* paused meanwhile, or gone */
}

static void on_awake(struct wr_waking *waking, const struct wr_error *error)
{
    struct port_op *op = wr_container_of(waking, struct port_op, waking);

    if (error)
        wr_api_fail(op->ex, error);
    else
        reach(op);
}

/* At once, or when the sandbox runs again. */
static void reach(struct port_op *op)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);
    struct wr_error error = {0};

    if (!sandbox || sandbox->state == WR_SANDBOX_KILLING) {
        wr_api_no_sandbox(op->ex, op->id);
    } else if (sandbox->state == WR_SANDBOX_RUNNING) {
        op->dial.fn = on_dialled;
        wr_dial_socket(&op->dial, op->server, sandbox);
    } else if (wr_waking_possible(sandbox)) {
        op->waking.fn = on_awake;
        if (wr_waking_start(&op->waking, op->server, sandbox, &error) < 0)
            wr_api_fail(op->ex, &error);
    } else {
        wr_api_not_running(op->ex, sandbox);
    }
}

static bool wants_tcp(const struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const struct wr_h1_header *upgrade = wr_h1_find(head, "Upgrade");

    return head->upgrade && upgrade &&
           wr_memcaseeq(upgrade->value, upgrade->value_len, PROTOCOL, sizeof PROTOCOL - 1);
}

void wr_api_ports(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct wr_sandbox *sandbox = wr_api_find(request->server, ex, &request->who, match->params[0]);
    uint16_t port = 0;

    if (!sandbox)
        return;
    if (sandbox->state != WR_SANDBOX_RUNNING && !wr_waking_possible(sandbox)) {
        wr_api_not_running(ex, sandbox);
        return;
    }
    if (!wr_host_port(match->params[1], strlen(match->params[1]), &port)) {
        wr_api_error(ex, 400, "the port has to be a number from 1 to 65535");
        return;
    }
    if (!wr_raw_port(port)) {
        wr_api_error(ex, 403, "the ports of the agent and the interpreter cannot be forwarded");
        return;
    }
    if (!wants_tcp(ex)) {
        wr_api_error(ex, 400,
                     "this path needs the fields 'Connection: Upgrade' and 'Upgrade: " PROTOCOL
                     "'");
        return;
    }
    struct port_op *op = wr_calloc(1, sizeof *op);
    if (!op) {
        wr_api_error(ex, 503, "there is no memory for another connection; try again later");
        return;
    }
    op->server = request->server;
    op->ex = ex;
    op->pair = request->pair;
    memcpy(op->id, sandbox->id, sizeof op->id);
    op->dial.port = port;
    wr_exchange_set_ops(ex, &exchange_ops, op);
    reach(op);
}
