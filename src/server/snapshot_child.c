#include "server/snapshot_child.h"

#include <errno.h>

#include "json/jread.h"
#include "server/agent_news.h"
#include "server/server.h"
#include "server/snapshots.h"

int wr_snapshot_child_init(struct wr_snapshot_child *child, struct wr_server *server,
                           const struct wr_store_snapshot *snapshot, bool fork,
                           struct wr_error *err)
{
    int r = wr_server_snapshot_hold(server, snapshot->id, err);

    if (r < 0)
        return r;
    *child = (struct wr_snapshot_child){.name = ""};
    memcpy(child->snapshot_id, snapshot->id, sizeof child->snapshot_id);
    memcpy(child->agent_token, snapshot->control_token, sizeof child->agent_token);
    memcpy(child->parent_id, fork ? snapshot->parent_id : snapshot->id, sizeof child->parent_id);
    memcpy(child->template_id, snapshot->template_id, sizeof child->template_id);
    memcpy(child->name, snapshot->name, sizeof child->name);
    return 0;
}

void wr_snapshot_child_done(struct wr_snapshot_child *child, struct wr_server *server)
{
    if (wr_snapshot_child_is(child))
        wr_server_snapshot_release(server, child->snapshot_id);
    explicit_bzero(child, sizeof *child);
}

void wr_snapshot_child_mark(const struct wr_snapshot_child *child, struct wr_sandbox *sandbox)
{
    if (!wr_snapshot_child_is(child))
        return;
    memcpy(sandbox->snapshot_template, child->template_id, sizeof child->template_id);
    memcpy(sandbox->snapshot_name, child->name, sizeof child->name);
}

int wr_snapshot_child_tell(const struct wr_snapshot_child *child, struct wr_server *server,
                           struct wr_sandbox *sandbox, const struct wr_snapshot_child_call *call,
                           struct wr_error *err)
{
    wr_auto_json *env = call->env ? json_loads(call->env, 0, NULL) : json_object();

    if (!env)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "environment of sandbox %s", sandbox->id);
    const struct wr_agent_news news = {.event = "forked",
                                       .control_token = child->agent_token,
                                       .sandbox_id = sandbox->id,
                                       .access_token = sandbox->envd_token,
                                       .new_control_token = sandbox->control_token,
                                       .env_vars = env};

    return wr_agent_tell(server, sandbox, &news, call->fn, call->data, err);
}
