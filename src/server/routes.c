#include "server/routes.h"

#include "base/rand.h"
#include "base/str.h"
#include "http/router.h"
#include "http/uri.h"
#include "log/log.h"
#include "server/api/errors.h"
#include "server/api/events.h"
#include "server/api/fork.h"
#include "server/api/hibernate.h"
#include "server/api/keys.h"
#include "server/api/lifetime.h"
#include "server/api/list.h"
#include "server/api/logs.h"
#include "server/api/metrics.h"
#include "server/api/network_view.h"
#include "server/api/pausing.h"
#include "server/api/ports.h"
#include "server/api/rollback.h"
#include "server/api/sandboxes.h"
#include "server/api/secrets.h"
#include "server/api/snapshot_list.h"
#include "server/api/snapshot_tree.h"
#include "server/api/snapshots.h"
#include "server/api/teams.h"
#include "server/api/templates.h"
#include "server/api/unavailable.h"
#include "server/api/version.h"
#include "server/api/volume_content.h"
#include "server/api/volumes.h"
#include "server/api/webhooks.h"
#include "server/cors.h"
#include "server/ingress/proxy.h"
#include "server/ingress/route.h"
#include "server/obs/metrics_page.h"
#include "server/request.h"

static void health(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    static const char text[] = "Health check successful";

    (void)match;
    (void)data;
    wr_exchange_reply(ex, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}

/* Without credentials. */
static const struct wr_route open_routes[] = {
    {"GET", "/health", health},
};

/* The first that fits is taken. */
static const struct wr_route routes[] = {
    {"GET", "/version", wr_api_version},
    {"GET", "/metrics", wr_obs_metrics},

    {"POST", "/sandboxes", wr_api_sandboxes_create},
    {"POST", "/v2/sandboxes", wr_api_sandboxes_create_v2},
    {"GET", "/sandboxes", wr_api_sandboxes_list},
    {"GET", "/v2/sandboxes", wr_api_sandboxes_list_v2},
    {"GET", "/sandboxes/metrics", wr_api_metrics_sandboxes},
    {"GET", "/sandboxes/{id}/metrics", wr_api_metrics_sandbox},
    {"GET", "/sandboxes/{id}/logs", wr_api_logs},
    {"GET", "/v2/sandboxes/{id}/logs", wr_api_logs_v2},
    {"GET", "/sandboxes/{id}", wr_api_sandboxes_get},
    {"DELETE", "/sandboxes/{id}", wr_api_sandboxes_kill},
    {"POST", "/sandboxes/{id}/timeout", wr_api_sandboxes_timeout},
    {"POST", "/sandboxes/{id}/refreshes", wr_api_sandboxes_refresh},
    {"POST", "/sandboxes/{id}/connect", wr_api_sandboxes_connect},
    {"POST", "/v2/sandboxes/{id}/connect", wr_api_sandboxes_connect_v2},
    {"PUT", "/sandboxes/{id}/network", wr_api_sandboxes_network},
    {"GET", "/sandboxes/{id}/ports/{port}", wr_api_ports},
    {"GET", "/sandboxes/{id}/network", wr_api_network_get},
    {"GET", "/sandboxes/{id}/network/log", wr_api_network_log},
    {"POST", "/sandboxes/{id}/pause", wr_api_sandboxes_pause},
    {"POST", "/sandboxes/{id}/resume", wr_api_sandboxes_resume},
    {"POST", "/sandboxes/{id}/fork", wr_api_fork},
    {"POST", "/sandboxes/{id}/rollback", wr_api_rollback},
    {"POST", "/sandboxes/{id}/snapshots", wr_api_snapshots_create},
    {"GET", "/snapshots", wr_api_snapshots_list},
    {"GET", "/snapshots/{id}/tree", wr_api_snapshots_tree},
    {"POST", "/hibernate", wr_api_hibernate},
    {"GET", "/hibernate", wr_api_hibernate_progress},

    {"GET", "/default-templates", wr_api_templates_list},
    {"GET", "/templates", wr_api_templates_list},
    {"GET", "/v2/templates", wr_api_templates_list_v2},
    {"GET", "/templates/aliases/{alias}", wr_api_templates_alias},
    {"GET", "/templates/{id}", wr_api_templates_get},
    {"GET", "/templates/{id}/tags", wr_api_templates_tags},
    {"GET", "/templates/{id}/tags/count", wr_api_templates_tags_count},
    {"GET", "/templates/{id}/tags/exists", wr_api_templates_tag_exists},
    {"GET", "/templates/{id}/tags/groups", wr_api_no_builds},
    {"GET", "/templates/{id}/tags/{tag}/assignments", wr_api_no_builds},
    {"POST", "/templates/tags", wr_api_no_builds},
    {"DELETE", "/templates/tags", wr_api_no_builds},
    {"POST", "/templates", wr_api_no_builds},
    {"POST", "/v2/templates", wr_api_no_builds},
    {"POST", "/v3/templates", wr_api_no_builds},
    {"POST", "/templates/{id}", wr_api_no_builds},
    {"PATCH", "/templates/{id}", wr_api_no_builds},
    {"PATCH", "/v2/templates/{id}", wr_api_no_builds},
    {"DELETE", "/templates/{id}", wr_api_snapshots_remove},
    {"GET", "/templates/{id}/files/{hash}", wr_api_no_builds},
    {"POST", "/templates/{id}/builds/{build}", wr_api_no_builds},
    {"POST", "/v2/templates/{id}/builds/{build}", wr_api_no_builds},
    {"GET", "/templates/{id}/builds/{build}/status", wr_api_no_builds},
    {"GET", "/templates/{id}/builds/{build}/logs", wr_api_no_builds},

    {"GET", "/teams", wr_api_teams_list},
    {"POST", "/teams", wr_api_teams_create},
    {"GET", "/teams/{id}/metrics", wr_api_teams_metrics},
    {"GET", "/teams/{id}/metrics/max", wr_api_teams_metrics_max},
    {"GET", "/api-keys", wr_api_keys_list},
    {"POST", "/api-keys", wr_api_keys_create},
    {"PATCH", "/api-keys/{id}", wr_api_keys_rename},
    {"DELETE", "/api-keys/{id}", wr_api_keys_remove},
    {"POST", "/access-tokens", wr_api_no_access_tokens},
    {"DELETE", "/access-tokens/{id}", wr_api_no_access_tokens},

    {"GET", "/volumes", wr_api_volumes_list},
    {"POST", "/volumes", wr_api_volumes_create},
    {"GET", "/volumes/{id}", wr_api_volumes_get},
    {"DELETE", "/volumes/{id}", wr_api_volumes_remove},
    {"GET", "/secrets", wr_api_secrets_list},
    {"POST", "/secrets", wr_api_secrets_create},
    {"GET", "/secrets/{id}", wr_api_secrets_get},
    {"POST", "/secrets/{id}", wr_api_secrets_update},
    {"DELETE", "/secrets/{id}", wr_api_secrets_remove},

    {"GET", "/events/sandboxes", wr_api_events},
    {"GET", "/events/sandboxes/{id}", wr_api_events_sandbox},
    {"GET", "/events/webhooks", wr_api_webhooks_list},
    {"POST", "/events/webhooks", wr_api_webhooks_create},
    {"GET", "/events/webhooks/{id}", wr_api_webhooks_get},
    {"PATCH", "/events/webhooks/{id}", wr_api_webhooks_change},
    {"DELETE", "/events/webhooks/{id}", wr_api_webhooks_remove},
    {"POST", "/events/webhooks/{id}/test", wr_api_webhooks_test},

    {"GET", "/nodes", wr_api_no_nodes},
    {"GET", "/nodes/{id}", wr_api_no_nodes},
    {"POST", "/nodes/{id}", wr_api_no_nodes},
    {"GET", "/admin/sandboxes/running-counts", wr_api_no_nodes},
    {"POST", "/admin/teams/{id}/sandboxes/kill", wr_api_no_nodes},
    {"POST", "/admin/teams/{id}/builds/cancel", wr_api_no_nodes},
    {"POST", "/admin/teams/{id}/api-keys", wr_api_no_nodes},
    {"DELETE", "/admin/teams/{id}/api-keys/{key}", wr_api_no_nodes},
};

/* Counts from a random place, so that two runs of the server do not share numbers; never 0. */
static uint64_t next_number(struct wr_server *server)
{
    while (server->request_number == 0)
        wr_random_bytes(&server->request_number, sizeof server->request_number);
    server->request_number += server->request_number == UINT64_MAX ? 2 : 1;
    return server->request_number;
}

/* The id in "/sandboxes/<id>..." or "/v2/sandboxes/<id>..."; "" when there is none. */
static void sandbox_in(const char *path, size_t len, char out[static WR_ID_LEN + 1])
{
    static const char prefix[] = "/sandboxes/";
    size_t at = len > 3 && memcmp(path, "/v2", 3) == 0 ? 3 : 0, n = sizeof prefix - 1;

    out[0] = '\0';
    if (len < at + n + WR_ID_LEN || memcmp(path + at, prefix, n) != 0)
        return;
    memcpy(out, path + at + n, WR_ID_LEN);
    out[WR_ID_LEN] = '\0';
    if (!wr_id_valid(out))
        out[0] = '\0';
}

static void log_answer(const struct wr_exchange *ex)
{
    static struct wr_log_limit limit;
    const struct wr_h1_head *head = wr_exchange_head(ex);
    char id[WR_REQUEST_ID_LEN + 1], sandbox[WR_ID_LEN + 1], line[256], status[12];
    int code = wr_exchange_status(ex);

    /* Without the query: it may be long, and it is the client's business. */
    size_t path_len = 0;
    const char *path = wr_uri_raw_path(head->target, head->target_len, &path_len);
    if (!wr_strformat(line, sizeof line, "%.*s %.*s", (int)head->method_len, head->method,
                      (int)WR_MIN(path_len, (size_t)200), path) ||
        !wr_strformat(status, sizeof status, "%d", code))
        return;
    wr_request_id(wr_exchange_tag(ex), id);
    sandbox_in(path, path_len, sandbox);
    /* A list of pairs ends with NULL, so the sandbox comes last. */
    const char *last = sandbox[0] ? "sandbox" : NULL;
    /* 507: a volume is full, which is its owner's business. */
    if (code >= 500 && code != 501 && code != 507)
        wr_log_limited(&limit, WR_LOG_WARN, "a request failed", "what", line, "status", status,
                       "request", id, last, sandbox, NULL);
    else
        wr_log(WR_LOG_DEBUG, "request", "what", line, "status", status, "request", id, last,
               sandbox, NULL);
}

void wr_server_begin(struct wr_exchange *ex, void *data)
{
    const struct wr_listener *listener = data;
    char id[WR_REQUEST_ID_LEN + 1];

    if (!wr_exchange_tag(ex))
        return;
    unsigned digit = (unsigned)wr_exchange_status(ex) / 100;
    if (digit < WR_ARRAY_SIZE(listener->server->answers))
        listener->server->answers[digit]++;
    wr_exchange_header(ex, "X-Request-Id", wr_request_id(wr_exchange_tag(ex), id));
    wr_api_secrets_begin(ex);
    if (listener->kind != WR_LISTEN_LOCAL)
        wr_cors_headers(ex);
    log_answer(ex);
}

static void handle_api(struct wr_exchange *ex, const struct wr_listener *listener)
{
    struct wr_api_request request = {.server = listener->server,
                                     .pair = listener->tls || listener->kind == WR_LISTEN_LOCAL,
                                     .number = next_number(listener->server)};
    bool local = listener->kind == WR_LISTEN_LOCAL;

    wr_exchange_set_tag(ex, request.number);
    if ((!local && wr_cors_preflight(ex)) ||
        wr_route_dispatch(open_routes, WR_ARRAY_SIZE(open_routes), ex, &request) == WR_ROUTE_FOUND)
        return;
    /* Files of volumes have tokens of their own. */
    bool content = wr_api_volume_content_wants(ex);
    if ((local || !content) && !wr_auth_admit(request.server, ex, local, &request.who))
        return;
    if (content) {
        wr_api_volume_content(ex, &request);
        return;
    }
    switch (wr_route_dispatch(routes, WR_ARRAY_SIZE(routes), ex, &request)) {
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

void wr_server_handle(struct wr_exchange *ex, void *data)
{
    const struct wr_listener *listener = data;

    wr_server_touch(listener->server);
    if (wr_ingress_wants(listener, ex))
        wr_proxy_handle(listener, ex);
    else
        handle_api(ex, listener);
}
