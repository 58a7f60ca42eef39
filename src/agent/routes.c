#include "agent/routes.h"

#include "agent/auth.h"
#include "agent/cors.h"
#include "agent/exec/rpc_process.h"
#include "agent/fs/compose.h"
#include "agent/fs/content.h"
#include "agent/fs/files_get.h"
#include "agent/fs/files_put.h"
#include "agent/fs/rpc_filesystem.h"
#include "agent/init.h"
#include "agent/logs.h"
#include "agent/reply.h"
#include "agent/state.h"
#include "agent/trust.h"
#include "http/router.h"
#include "json/jwrite.h"

#define ENVS_MAX    ((size_t)8 * 1024 * 1024)
#define METRICS_MAX 4096

static void get_health(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    (void)data;
    wr_exchange_begin(ex, 204);
    wr_exchange_header(ex, "Cache-Control", "no-store");
    wr_exchange_send(ex, NULL, 0);
}

static void get_envs(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_agent *agent = data;
    wr_auto_buf out = WR_BUF(ENVS_MAX);
    struct wr_jw w;
    const char *name;
    json_t *value;
    /* jansson's iteration takes a non-const object and does not change it. */
    json_t *envs = (json_t *)(uintptr_t)agent->config->env; // NOLINT(performance-no-int-to-ptr)

    (void)match;
    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    json_object_foreach(envs, name, value)
        wr_jw_kstr(&w, name, json_string_value(value));
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        wr_reply_error(ex, 500, "the environment is too large to be shown");
    } else {
        wr_reply_json(ex, 200, &out);
    }
}

static void get_metrics(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_agent *agent = data;
    wr_auto_buf out = WR_BUF(METRICS_MAX);

    (void)match;
    if (wr_metrics_write(&out, &agent->cpu) < 0) {
        wr_reply_error(ex, 500, "no memory for the metrics");
    } else {
        wr_reply_json(ex, 200, &out);
    }
}

static void get_logs(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    wr_logs_get(data, ex);
}

static void get_files(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    wr_files_get(data, ex);
}

static void post_files(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    wr_files_post(data, ex);
}

static void post_files_compose(struct wr_exchange *ex, const struct wr_route_match *match,
                               void *data)
{
    (void)match;
    wr_files_compose(data, ex);
}

static void get_init(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    wr_init_get(data, ex);
}

static void post_init(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    wr_init_post(data, ex);
}

static void put_trust(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    wr_trust_put(data, ex);
}

static void delete_trust(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    wr_trust_delete(data, ex);
}

static const struct wr_route routes[] = {
    {"GET", "/health", get_health},
    {"GET", "/envs", get_envs},
    {"GET", "/metrics", get_metrics},
    {"GET", "/logs", get_logs},
    {"GET", "/files", get_files},
    {"POST", "/files", post_files},
    {"POST", "/files/compose", post_files_compose},
    {"GET", "/init", get_init},
    {"POST", "/init", post_init},
    {"PUT", "/trust", put_trust},
    {"DELETE", "/trust", delete_trust},
};

void wr_routes_handle(struct wr_exchange *ex, void *data)
{
    struct wr_agent *agent = data;

    if (wr_cors_preflight(ex))
        return;
    /* Also for RPCs this is plain HTTP: their clients go by the status. */
    if (!wr_auth_allows(agent->config, ex)) {
        wr_reply_error(ex, 401,
                       "unauthorized access, please provide a valid access token or method "
                       "signing if supported");
        return;
    }
    if (agent->config->content_root && wr_content_handle(agent, ex))
        return;
    if (wr_rpc_process(agent, ex) || wr_rpc_filesystem(agent, ex))
        return;
    switch (wr_route_dispatch(routes, WR_ARRAY_SIZE(routes), ex, agent)) {
    case WR_ROUTE_FOUND:
        break;
    case WR_ROUTE_NO_PATH:
        wr_reply_error(ex, 404, "no such path: %s", wr_exchange_path(ex));
        break;
    case WR_ROUTE_NO_METHOD:
        wr_reply_error(ex, 405, "method not allowed for %s", wr_exchange_path(ex));
        break;
    }
}
