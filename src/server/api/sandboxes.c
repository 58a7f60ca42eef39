#include "server/api/sandboxes.h"

#include <errno.h>

#include "json/jread.h"
#include "server/api/create.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/network_config.h"
#include "server/api/op.h"
#include "server/api/sandbox_json.h"
#include "server/egress/egress.h"
#include "server/egress/trust.h"
#include "server/lifecycle.h"
#include "server/server.h"

/* ---- create ---- */

static void begin_create(struct wr_exchange *ex, const struct wr_api_request *request, int variant)
{
    struct wr_api_op *op = wr_api_op_new(request, ex);

    if (!op)
        return;
    op->variant = variant;
    wr_exchange_collect(ex, WR_API_MAX_BODY, wr_api_create_body, wr_api_create_close, op);
}

void wr_api_sandboxes_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    begin_create(ex, data, 1);
}

void wr_api_sandboxes_create_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                                void *data)
{
    (void)match;
    begin_create(ex, data, 2);
}

/* ---- get, kill ---- */

void wr_api_sandboxes_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const struct wr_sandbox *sandbox =
        wr_api_find(request->server, ex, &request->who, match->params[0]);

    if (sandbox)
        wr_api_reply_detail(request->server, ex, sandbox);
}

void wr_api_sandboxes_kill(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct wr_sandbox *sandbox = wr_api_find(request->server, ex, &request->who, match->params[0]);
    struct wr_api_op *op = sandbox ? wr_api_op_new(request, ex) : NULL;
    struct wr_cause cause = {"request", request->number};
    struct wr_error error = {0};

    if (!op)
        return;
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    op->busy = true;
    if (wr_lifecycle_kill(request->server, sandbox, &cause, wr_api_op_on_done, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}

/* ---- network ---- */

/* The settings with another network; a new reference. */
static json_t *with_network(const json_t *settings, const json_t *body, json_t *update)
{
    const json_t *internet = json_object_get(body, "allow_internet_access");
    wr_auto_json *out = settings ? json_copy((json_t *)(uintptr_t)settings) : json_object();
    json_t *network = wr_network_config_update(json_object_get(settings, "network"), update);

    if (!out || json_object_set_new(out, "network", network) < 0)
        return NULL;
    /* The whole configuration is replaced: what is not said is not set. */
    (void)json_object_del(out, "allowInternetAccess");
    if (json_is_boolean(internet) &&
        json_object_set_new(out, "allowInternetAccess", json_boolean(json_is_true(internet))) < 0)
        return NULL;
    return json_incref(out);
}

/* Also one that is being killed is 409 here. NULL: answered. */
static struct wr_sandbox *find_running(struct wr_server *server, struct wr_exchange *ex,
                                       const struct wr_principal *who, const char *param)
{
    const struct wr_sandbox *sandbox = wr_api_find_any(server, ex, who, param);

    if (!sandbox)
        return NULL;
    if (sandbox->state == WR_SANDBOX_KILLING) {
        wr_api_not_running(ex, sandbox);
        return NULL;
    }
    return wr_api_find_running(server, ex, who, param);
}

/* Answers, if need be after the agent was told about the egress's authority. */
static void finish_network(struct wr_api_op *op, struct wr_sandbox *sandbox, bool trusted_before)
{
    struct wr_error error = {0};
    bool trusts = wr_egress_transforms(sandbox);

    if (!trusts && !trusted_before) {
        wr_api_reply_empty(op->ex);
        return;
    }
    op->busy = true;
    int r = trusts ? wr_trust_install(op->server, sandbox, wr_api_op_on_done, op, &error)
                   : wr_trust_remove(op->server, sandbox, wr_api_op_on_done, op, &error);
    if (r < 0) {
        op->busy = false;
        wr_api_fail(op->ex, &error);
    }
}

static void on_network_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    const struct wr_network_reading reading = {.use = WR_NETWORK_UPDATE,
                                               .lenient = op->server->config->lenient};
    struct wr_cause cause = {"network", op->request};
    wr_auto_json *json = NULL, *update = NULL, *settings = NULL;
    struct wr_error error = {0};

    struct wr_sandbox *sandbox = find_running(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    int r = wr_json_parse(body, len, &json, &error);
    if (r < 0)
        r = wr_wrap(&error, "validation error");
    if (r == 0)
        r = wr_network_config_read(json, &reading, &update, &error);
    bool trusted_before = wr_egress_transforms(sandbox);
    if (r == 0) {
        settings = with_network(sandbox->settings, json, update);
        r = settings ? wr_lifecycle_set_settings(op->server, sandbox, settings, &cause, &error)
                     : wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "network");
    }
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        finish_network(op, sandbox, trusted_before);
}

void wr_api_sandboxes_network(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    const struct wr_api_request *request = data;
    const struct wr_sandbox *sandbox =
        find_running(request->server, ex, &request->who, match->params[0]);
    struct wr_api_op *op = sandbox ? wr_api_op_new(request, ex) : NULL;

    if (!op)
        return;
    memcpy(op->id, sandbox->id, sizeof sandbox->id);
    wr_exchange_collect(ex, WR_API_MAX_BODY, on_network_body, wr_api_op_on_close, op);
}
