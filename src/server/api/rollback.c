#include "server/api/rollback.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "json/jread.h"
#include "log/log.h"
#include "server/api/create_request.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/keys.h"
#include "server/api/op.h"
#include "server/api/sandbox_json.h"
#include "server/auth/auth.h"
#include "server/events.h"
#include "server/pausing.h"
#include "server/server.h"
#include "server/snapshot_ref.h"
#include "server/snapshots.h"

#define MAX_BODY 4096

/* A rollback that the engine works on. */
struct rollback {
    struct wr_api_op *op;
    char sandbox_id[WR_ID_LEN + 1];
    char snapshot_id[WR_ID_LEN + 1]; /* held */
    bool ran;                        /* before */
};

static void rollback_free(struct rollback *rollback)
{
    wr_server_snapshot_release(rollback->op->server, rollback->snapshot_id);
    free(rollback);
}

/* One that ran and is paused now has ended, and goes on from the snapshot whenever it is resumed.
 */
static void note_parent(const struct rollback *rollback, const struct wr_sandbox *sandbox,
                        bool failed)
{
    struct wr_error error = {0};

    if (!sandbox || (failed && !(rollback->ran && sandbox->state == WR_SANDBOX_PAUSED)))
        return;
    if (wr_store_sandbox_set_parent(rollback->op->server->store, sandbox->id, rollback->snapshot_id,
                                    &error) < 0)
        wr_log(WR_LOG_WARN, "the row of a sandbox was not changed", "sandbox", sandbox->id, "error",
               error.msg, NULL);
}

static void on_rolled_back(const struct wr_error *error, void *data)
{
    struct rollback *rollback = data;
    struct wr_api_op *op = rollback->op;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, rollback->sandbox_id);

    wr_server_touch(op->server);
    note_parent(rollback, sandbox, error != NULL);
    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (op->ex && !sandbox)
        wr_api_no_sandbox(op->ex, rollback->sandbox_id);
    else if (op->ex)
        wr_api_reply_access(op->server, op->ex, 200, sandbox);
    rollback_free(rollback);
    wr_api_op_end(op);
}

/* As long as it would have lived without, unless the request says how long. */
static uint64_t lifetime(const struct wr_sandbox *sandbox, int64_t timeout_s)
{
    uint64_t now_ms = wr_wall_ms();

    if (timeout_s >= 0)
        return (uint64_t)timeout_s * 1000;
    return sandbox->state == WR_SANDBOX_RUNNING && sandbox->deadline_ms > now_ms
               ? sandbox->deadline_ms - now_ms
               : sandbox->timeout_ms;
}

static int start(struct wr_api_op *op, struct wr_sandbox *sandbox,
                 const struct wr_store_snapshot *snapshot, int64_t timeout_s, struct wr_error *err)
{
    struct rollback *rollback = wr_calloc(1, sizeof *rollback);

    if (!rollback)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "rollback of %s", sandbox->id);
    rollback->op = op;
    rollback->ran = sandbox->state == WR_SANDBOX_RUNNING;
    memcpy(rollback->sandbox_id, sandbox->id, sizeof sandbox->id);
    memcpy(rollback->snapshot_id, snapshot->id, sizeof snapshot->id);
    int r = wr_server_snapshot_hold(op->server, snapshot->id, err);
    if (r < 0) {
        free(rollback);
        return r;
    }
    const struct wr_rollback_wish wish = {.snapshot_id = snapshot->id,
                                          .agent_token = snapshot->control_token,
                                          .timeout_ms = lifetime(sandbox, timeout_s),
                                          .cause = {"rollback", op->request}};
    op->busy = true;
    r = wr_rollback(op->server, sandbox, &wish, on_rolled_back, rollback, err);
    if (r < 0) {
        op->busy = false;
        rollback_free(rollback);
    }
    return r;
}

/* Of the sandbox's team and template. */
static int find_snapshot(struct wr_server *server, const struct wr_sandbox *sandbox,
                         const char *text, struct wr_store_snapshot *ret, struct wr_error *err)
{
    struct wr_template_ref ref = {0};
    struct wr_team team;

    int r = wr_template_ref_parse(text, &ref, err);
    if (r == 0)
        r = wr_store_team_get(server->store, sandbox->team_id, &team, err);
    if (r < 0)
        return r;
    if (!ref.team[0] || wr_streq(ref.team, team.slug))
        r = wr_snapshot_ref_find(server->store, sandbox->team_id, &ref, ret, err);
    else
        r = -WR_E_NOT_FOUND;
    if (r == -WR_E_NOT_FOUND || r == -WR_E_OUT_OF_RANGE)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "snapshot '%.120s' not found", text);
    if (r == 0 && !wr_streq(ret->template_name, sandbox->template_name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the snapshot is of template '%.60s', the sandbox of '%.60s'",
                       ret->template_name, sandbox->template_name);
    return r;
}

static int read_body(const struct wr_api_op *op, const json_t *json, const char **ret_snapshot,
                     int64_t *ret_timeout_s, struct wr_error *err)
{
    bool has_timeout = false;
    const struct wr_json_field fields[] = {
        {.name = "snapshotID",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = ret_snapshot,
         .max = 512},
        {.name = "timeout", .kind = WR_JSON_I64, .ret = ret_timeout_s, .ret_present = &has_timeout},
    };

    int r = wr_api_body_read(op, json, fields, WR_ARRAY_SIZE(fields), err);
    if (r == 0 && has_timeout)
        r = wr_timeout_check(*ret_timeout_s, false, op->server->config->timeout_max_s, err);
    return r;
}

static void on_rollback_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_store_snapshot snapshot = {.id = ""};
    const char *text = "";
    int64_t timeout_s = -1;
    wr_auto_json *json = NULL;
    struct wr_error error = {0};

    struct wr_sandbox *sandbox = wr_api_find_any(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    if (sandbox->state == WR_SANDBOX_KILLING) {
        wr_api_no_sandbox(ex, op->id);
        return;
    }
    int r = wr_json_parse(body, len, &json, &error);
    if (r < 0)
        r = wr_wrap(&error, "validation error");
    if (r == 0)
        r = read_body(op, json, &text, &timeout_s, &error);
    if (r == 0)
        r = find_snapshot(op->server, sandbox, text, &snapshot, &error);
    bool admitted = r < 0 || wr_auth_admit_create_rate(op->server, ex, &op->who, 1);
    if (r == 0 && admitted)
        r = start(op, sandbox, &snapshot, timeout_s, &error);
    explicit_bzero(&snapshot, sizeof snapshot);
    if (r < 0)
        wr_api_fail(ex, &error);
}

void wr_api_rollback(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_api_op *op = wr_api_op_new(data, ex);

    if (!op)
        return;
    if (!wr_strformat(op->id, sizeof op->id, "%.60s", match->params[0]))
        op->id[0] = '\0';
    wr_exchange_collect(ex, MAX_BODY, on_rollback_body, wr_api_op_on_close, op);
}
