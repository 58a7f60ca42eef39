#include "server/routes.h"

#include "base/buf.h"
#include "http/router.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/sandboxes.h"
#include "server/api/templates.h"
#include "server/ingress/proxy.h"
#include "server/ingress/route.h"

static void health(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    (void)data;
    wr_exchange_begin(ex, 204);
    wr_exchange_send(ex, NULL, 0);
}

static void version(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    wr_auto_buf body = WR_BUF(1024);
    struct wr_jw w;

    (void)match;
    (void)data;
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "version", WR_VERSION);
    wr_jw_kstr(&w, "envdVersion", WR_ENVD_VERSION);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

static const struct wr_route routes[] = {
    {"GET", "/health", health},
    {"GET", "/version", version},
    {"POST", "/sandboxes", wr_api_sandboxes_create},
    {"GET", "/sandboxes", wr_api_sandboxes_list},
    {"GET", "/sandboxes/{id}", wr_api_sandboxes_get},
    {"DELETE", "/sandboxes/{id}", wr_api_sandboxes_kill},
    {"POST", "/sandboxes/{id}/timeout", wr_api_sandboxes_timeout},
    {"GET", "/sandboxes/{id}/metrics", wr_api_sandboxes_metrics},
    {"GET", "/templates", wr_api_templates_list},
};

void wr_server_handle(struct wr_exchange *ex, void *data)
{
    const struct wr_listener *listener = data;
    struct wr_server *server = listener->server;

    wr_server_touch(server);
    if (wr_ingress_wants(ex)) {
        wr_proxy_handle(server, ex);
        return;
    }
    switch (wr_route_dispatch(routes, WR_ARRAY_SIZE(routes), ex, server)) {
    case WR_ROUTE_FOUND:
        return;
    case WR_ROUTE_NO_PATH:
        wr_api_no_route(ex, 404);
        return;
    case WR_ROUTE_NO_METHOD:
        wr_api_no_route(ex, 405);
        return;
    }
}
