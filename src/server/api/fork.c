#include "server/api/fork.h"

#include "base/str.h"
#include "json/jread.h"
#include "server/api/create_request.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/keys.h"
#include "server/api/op.h"
#include "server/api/sandbox_json.h"
#include "server/auth/auth.h"
#include "server/fork.h"
#include "server/saved_limits.h"
#include "server/server.h"

#define MAX_BODY  4096
#define MAX_BYTES ((size_t)1024 * 1024)
#define TIMEOUT_S 15

/* Nobody has learnt the id. A failure is retried by the lifecycle. */
static void discard(struct wr_server *server, const char *id)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, id);
    const struct wr_cause cause = {.reason = "abandoned"};
    struct wr_error ignored = {0};

    if (sandbox && sandbox->state != WR_SANDBOX_KILLING)
        (void)!wr_lifecycle_kill(server, sandbox, &cause, NULL, NULL, &ignored);
}

static void write_failure(struct wr_jw *w, int code, const char *message)
{
    wr_jw_key(w, "error");
    wr_jw_object(w);
    wr_jw_ki64(w, "code", code);
    wr_jw_kstr(w, "message", message);
    wr_jw_end(w);
}

static void write_result(struct wr_jw *w, const struct wr_server *server,
                         const struct wr_fork_result *result)
{
    const struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, result->id);

    wr_jw_object(w);
    if (sandbox) {
        wr_jw_key(w, "sandbox");
        wr_api_write_access(w, server, sandbox);
    } else if (result->id[0]) {
        write_failure(w, 500, "the sandbox ended while others were made");
    } else {
        write_failure(w, wr_api_status(&result->error), result->error.msg);
    }
    wr_jw_end(w);
}

static void reply(struct wr_api_op *op, const struct wr_fork_result *results, size_t count)
{
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    for (size_t i = 0; i < count; i++)
        write_result(&w, op->server, &results[i]);
    wr_jw_end(&w);
    wr_api_reply_json(op->ex, 201, &body, wr_jw_finish(&w));
}

static void on_forked(const struct wr_fork_result *results, size_t count,
                      const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;

    wr_server_touch(op->server);
    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (op->ex)
        reply(op, results, count);
    else
        for (size_t i = 0; i < count; i++)
            discard(op->server, results[i].id);
    wr_api_op_end(op);
}

static int read_wish(const struct wr_api_op *op, const char *body, size_t len,
                     struct wr_fork_wish *wish, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    int64_t timeout_s = TIMEOUT_S, count = 1;
    const struct wr_json_field fields[] = {
        {.name = "timeout", .kind = WR_JSON_I64, .ret = &timeout_s},
        {.name = "count", .kind = WR_JSON_I64, .ret = &count},
    };

    int r = len > 0 ? wr_json_parse(body, len, &json, err) : 0;
    if (r < 0)
        return wr_wrap(err, "validation error");
    if (json)
        r = wr_api_body_read(op, json, fields, WR_ARRAY_SIZE(fields), err);
    if (r == 0)
        r = wr_timeout_check(timeout_s, false, op->server->config->timeout_max_s, err);
    if (r == 0 && (count < 1 || count > WR_FORK_MAX))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "count is a number from 1 to %d", WR_FORK_MAX);
    wish->timeout_ms = (uint64_t)timeout_s * 1000;
    wish->count = (uint32_t)count;
    wish->request = op->request;
    return r;
}

/* NULL: answered. */
static struct wr_sandbox *find_running(struct wr_api_op *op, struct wr_exchange *ex)
{
    struct wr_sandbox *sandbox = wr_api_find_any(op->server, ex, &op->who, op->id);

    if (!sandbox)
        return NULL;
    if (sandbox->state == WR_SANDBOX_RUNNING)
        return sandbox;
    if (sandbox->state == WR_SANDBOX_KILLING)
        wr_api_no_sandbox(ex, op->id);
    else
        wr_api_not_running(ex, sandbox);
    return NULL;
}

static void on_fork_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_fork_wish wish = {.count = 1};
    struct wr_error error = {0};

    int r = read_wish(op, body, len, &wish, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    struct wr_sandbox *sandbox = find_running(op, ex);
    if (!sandbox || !wr_auth_admit_create_rate(op->server, ex, &op->who, wish.count))
        return;
    int status = wr_saved_check_new(op->server, sandbox->team_id, sandbox->settings, &error);
    if (status) {
        wr_auth_refuse(ex, status, error.msg);
        return;
    }
    op->busy = true;
    if (wr_fork(op->server, sandbox, &wish, on_forked, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}

void wr_api_fork(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_api_op *op = wr_api_op_new(data, ex);

    if (!op)
        return;
    if (!wr_strformat(op->id, sizeof op->id, "%.60s", match->params[0]))
        op->id[0] = '\0';
    wr_exchange_collect(ex, MAX_BODY, on_fork_body, wr_api_op_on_close, op);
}
