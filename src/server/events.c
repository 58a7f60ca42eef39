#include "server/events.h"

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "server/request.h"
#include "server/server.h"

void wr_event(struct wr_server *server, const char *sandbox_id, const char *team_id,
              const char *type, const struct wr_cause *cause)
{
    char name[64], detail[96], message[64], request[WR_REQUEST_ID_LEN + 1] = "";
    struct wr_error error = {0};

    /* The reasons are of letters, digits and blanks: nothing to escape. */
    if (!wr_strformat(name, sizeof name, "sandbox.lifecycle.%s", type) ||
        !wr_strformat(detail, sizeof detail, "{\"reason\":\"%s\"}", cause->reason) ||
        !wr_strformat(message, sizeof message, "sandbox %s", type))
        return;
    /* A client may move a deadline every second. */
    enum wr_log_level level = wr_streq(type, "updated") ? WR_LOG_DEBUG : WR_LOG_INFO;
    if (cause->request)
        wr_log(level, message, "sandbox", sandbox_id, "reason", cause->reason, "request",
               wr_request_id(cause->request, request), NULL);
    else
        wr_log(level, message, "sandbox", sandbox_id, "reason", cause->reason, NULL);
    if (wr_store_event_add(server->store, sandbox_id, team_id, name, detail, wr_wall_ms(), &error) <
        0)
        wr_log(WR_LOG_WARN, "an event was not recorded", "sandbox", sandbox_id, "error", error.msg,
               NULL);
}
