#include "server/api/find.h"

#include "server/api/errors.h"
#include "server/pausing.h"
#include "server/server.h"

struct wr_sandbox *wr_api_find_any(struct wr_server *server, struct wr_exchange *ex,
                                   const struct wr_principal *who, const char *param)
{
    char id[WR_ID_LEN + 1] = "";
    size_t len = strcspn(param, "-");
    const char *dash = strchr(param, '-');
    struct wr_sandbox *sandbox = NULL;

    if (dash && strchr(dash + 1, '-')) {
        wr_api_error(ex, 400, "Invalid sandbox ID");
        return NULL;
    }
    if (len == WR_ID_LEN) {
        memcpy(id, param, len);
        sandbox = wr_sandbox_table_find(server->sandboxes, id);
    }
    if (!sandbox || !wr_principal_may_see(who, sandbox->team_id)) {
        wr_api_no_sandbox(ex, param);
        return NULL;
    }
    return sandbox;
}

struct wr_sandbox *wr_api_find(struct wr_server *server, struct wr_exchange *ex,
                               const struct wr_principal *who, const char *param)
{
    struct wr_sandbox *sandbox = wr_api_find_any(server, ex, who, param);

    if (sandbox && sandbox->state == WR_SANDBOX_KILLING) {
        wr_api_no_sandbox(ex, param);
        return NULL;
    }
    return sandbox;
}

void wr_api_not_running(struct wr_exchange *ex, const struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    (void)wr_pausing_refuse(sandbox, &error);
    wr_api_fail(ex, &error);
}

struct wr_sandbox *wr_api_find_running(struct wr_server *server, struct wr_exchange *ex,
                                       const struct wr_principal *who, const char *param)
{
    struct wr_sandbox *sandbox = wr_api_find(server, ex, who, param);

    if (sandbox && sandbox->state != WR_SANDBOX_RUNNING) {
        wr_api_not_running(ex, sandbox);
        return NULL;
    }
    return sandbox;
}
