#include "server/api/hibernate.h"

#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/pause_policy.h"
#include "server/request.h"
#include "server/server.h"

/* Each byte of a reason may become six. */
#define MAX_ANSWER (1024 + (size_t)WR_PAUSE_FAILURES_MAX * 6 * sizeof(struct wr_pause_failure))

/* False: answered. */
static bool may(struct wr_exchange *ex, const struct wr_api_request *request)
{
    if (!request->who.is_operator)
        wr_api_error(ex, 403, "only the operator of this server hibernates everything");
    return request->who.is_operator;
}

static void write_report(struct wr_jw *w, const struct wr_pause_report *report)
{
    wr_jw_object(w);
    wr_jw_ku64(w, "left", report->left);
    wr_jw_ku64(w, "done", report->done);
    wr_jw_ku64(w, "failed", report->failed);
    wr_jw_key(w, "failures");
    wr_jw_array(w);
    for (size_t i = 0; i < report->failure_count; i++) {
        wr_jw_object(w);
        wr_jw_kstr(w, "sandboxID", report->failures[i].id);
        wr_jw_kstr(w, "reason", report->failures[i].reason);
        wr_jw_end(w);
    }
    wr_jw_end(w);
    wr_jw_end(w);
}

static void reply(struct wr_exchange *ex, int status, const struct wr_server *server)
{
    const struct wr_pause_report *report = wr_pause_policy_report(server->pause_policy);
    wr_auto_buf body = WR_BUF(MAX_ANSWER);
    struct wr_jw w;

    if (!report) {
        wr_api_error(ex, 404, "nobody has asked this server to hibernate everything");
        return;
    }
    wr_jw_init(&w, &body);
    write_report(&w, report);
    wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
}

void wr_api_hibernate(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;

    (void)match;
    if (!may(ex, request))
        return;
    wr_pause_policy_end(request->server->pause_policy);
    reply(ex, 202, request->server);
}

void wr_api_hibernate_progress(struct wr_exchange *ex, const struct wr_route_match *match,
                               void *data)
{
    const struct wr_api_request *request = data;

    (void)match;
    if (may(ex, request))
        reply(ex, 200, request->server);
}
