#include "server/api/version.h"

#include "base/buf.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/sandbox_json.h"
#include "server/request.h"
#include "server/server.h"

void wr_api_version(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const struct wr_server_config *config = request->server->config;
    wr_auto_buf body = WR_BUF(8192);
    struct wr_jw w;

    (void)match;
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "version", WR_VERSION);
    wr_jw_kstr(&w, "envdVersion", WR_ENVD_VERSION);
    if (request->who.is_operator) {
        wr_jw_kstr(&w, "apiUrl", config->api_url);
        wr_jw_kstr(&w, "sandboxUrl", config->sandbox_url);
        wr_jw_kstr(&w, "domain", config->domain);
        wr_jw_kbool(&w, "tls", config->tls_cert_pem != NULL);
        wr_jw_kstr(&w, "caFile", config->ca_path);
    }
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}
