#include "server/api/pausing.h"

#include "server/api/create_request.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/lifetime.h"
#include "server/api/sandbox_json.h"
#include "server/auth/auth.h"
#include "server/pause_decision.h"
#include "server/pausing.h"
#include "server/saved_limits.h"
#include "server/server.h"

#define RESUME_TIMEOUT_S 15

/* ---- pause ---- */

static void reply_paused(struct wr_exchange *ex, const struct wr_sandbox *sandbox)
{
    wr_exchange_begin(ex, 204);
    wr_exchange_header(ex, "X-Warren-Pause-Level", wr_pause_level_name(sandbox->level));
    if (*sandbox->pause_reason)
        wr_exchange_header(ex, "X-Warren-Pause-Reason", sandbox->pause_reason);
    wr_exchange_send(ex, NULL, 0);
}

/* To clients 409 says that it is paused. */
static void fail_pause(const struct wr_api_op *op, const struct wr_sandbox *sandbox,
                       const struct wr_error *error)
{
    if (!sandbox || sandbox->state == WR_SANDBOX_KILLING)
        wr_api_no_sandbox(op->ex, op->id);
    else if (error->code == WR_E_ABORTED)
        wr_api_error(op->ex, 503, error->msg);
    else
        wr_api_fail(op->ex, error);
}

static void on_paused(const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;
    const struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);

    if (op->ex && error)
        fail_pause(op, sandbox, error);
    else if (op->ex && sandbox && sandbox->state == WR_SANDBOX_PAUSED)
        reply_paused(op->ex, sandbox);
    else if (op->ex)
        wr_api_reply_empty(op->ex);
    wr_api_op_end(op);
}

/* `named`: the client has said to which level. */
static bool is_paused_already(const struct wr_sandbox *sandbox, const struct wr_pause_wish *wish,
                              bool named)
{
    if (sandbox->state != WR_SANDBOX_PAUSED)
        return false;
    /* It cannot get deeper; only who insists makes it be tried again. */
    return sandbox->level >= wish->level || (*sandbox->pause_reason && !named);
}

static int read_pause(const struct wr_api_op *op, const char *body, size_t len,
                      struct wr_pause_wish *wish, bool *ret_named, struct wr_error *err)
{
    const char *level = NULL;
    const struct wr_json_field fields[] = {
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &wish->memory},
        {.name = "level", .kind = WR_JSON_STRING, .ret = &level, .max = 16},
        {.name = "requireHealthyGuest", .kind = WR_JSON_BOOL, .ret = &wish->healthy},
    };
    wr_auto_json *json = NULL; /* `level` points into it */

    int r = len == 0 ? 0 : wr_json_parse(body, len, &json, err);
    if (r == 0 && json)
        r = wr_json_read(
            json, fields, WR_ARRAY_SIZE(fields),
            op->server->config->lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "validation error");
    *ret_named = level != NULL;
    wish->level = wish->memory ? wr_pause_default_level(op->server->config) : WR_PAUSE_HIBERNATED;
    if (level && (!wr_pause_level_parse(level, &wish->level) || wish->level == WR_PAUSE_NONE))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "validation error: level is frozen, paged or hibernated");
    if (!wish->memory && wish->level != WR_PAUSE_HIBERNATED)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "validation error: without memory there is only the level hibernated");
    return 0;
}

static void on_pause_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_pause_wish wish = {.memory = true, .cause = {"request", op->request}};
    struct wr_error error = {0};
    bool named = false;

    int r = read_pause(op, body, len, &wish, &named, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    struct wr_sandbox *sandbox = wr_api_find(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    if (is_paused_already(sandbox, &wish, named)) {
        (void)wr_fail(&error, WR_E_ABORTED, 0, "sandbox %s is paused already (%s)", sandbox->id,
                      wr_pause_level_name(sandbox->level));
        wr_api_fail(ex, &error);
        return;
    }
    if (!wr_auth_admit_create_rate(op->server, ex, &op->who, 1))
        return;
    int status = wr_saved_check_pause(op->server, sandbox, wish.level, &error);
    if (status) {
        wr_auth_refuse(ex, status, error.msg);
        return;
    }
    memcpy(op->id, sandbox->id, sizeof sandbox->id);
    op->busy = true;
    if (wr_pause(op->server, sandbox, &wish, on_paused, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}

void wr_api_sandboxes_pause(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    wr_api_op_begin(ex, match, data, 0, on_pause_body);
}

/* ---- resume, connect ---- */

static void on_resumed(const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;
    const struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);

    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (op->ex && (!sandbox || sandbox->state == WR_SANDBOX_KILLING))
        wr_api_no_sandbox(op->ex, op->id);
    else if (op->ex)
        wr_api_reply_access(op->server, op->ex, 201, sandbox);
    wr_api_op_end(op);
}

/* Of one that does not run; answers 201 when it does. */
static void resume(struct wr_api_op *op, struct wr_sandbox *sandbox, uint64_t timeout_s,
                   bool memory)
{
    const struct wr_resume_wish wish = {
        .timeout_ms = timeout_s * 1000, .memory = memory, .cause = {"request", op->request}};
    struct wr_error error = {0};

    if (memory && sandbox->state == WR_SANDBOX_PAUSED && wr_pausing_is_unresponsive(sandbox)) {
        wr_api_error_code(op->ex, 409,
                          "the sandbox's agent did not answer when it was paused; resume it with "
                          "\"memory\": false",
                          "sandbox_snapshot_guest_agent_unresponsive");
        return;
    }
    if (!wr_auth_admit_create_rate(op->server, op->ex, &op->who, 1))
        return;
    memcpy(op->id, sandbox->id, sizeof sandbox->id);
    op->busy = true;
    if (wr_resume(op->server, sandbox, &wish, on_resumed, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(op->ex, &error);
    }
}

static void on_resume_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_error error = {0};
    int64_t timeout_s = RESUME_TIMEOUT_S;
    bool memory = true, ignored = false;
    const struct wr_json_field fields[] = {
        {.name = "timeout", .kind = WR_JSON_I64, .ret = &timeout_s},
        /* Deprecated, and without effect at E2B too. */
        {.name = "autoPause", .kind = WR_JSON_BOOL, .ret = &ignored},
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &memory},
    };

    int r = wr_api_op_read(op, body, len, fields, WR_ARRAY_SIZE(fields), &error);
    if (r == 0)
        r = wr_timeout_check(timeout_s, false, op->server->config->timeout_max_s, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    struct wr_sandbox *sandbox = wr_api_find(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    if (sandbox->state != WR_SANDBOX_RUNNING) {
        resume(op, sandbox, (uint64_t)timeout_s, memory);
        return;
    }
    (void)wr_fail(&error, WR_E_ABORTED, 0, "sandbox %s is running already", sandbox->id);
    wr_api_fail(ex, &error);
}

void wr_api_sandboxes_resume(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    wr_api_op_begin(ex, match, data, 0, on_resume_body);
}

static void on_connect_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_error error = {0};
    int64_t timeout_s = WR_TIMEOUT_DEFAULT_S;
    bool memory = true;
    const struct wr_json_field fields[] = {
        {.name = "timeout", .kind = WR_JSON_I64, .required = op->variant != 2, .ret = &timeout_s},
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &memory},
    };

    int r = wr_api_op_read(op, body, len, fields, WR_ARRAY_SIZE(fields), &error);
    /* Before it is looked up: too long is an error of the request, whoever it is about. */
    if (r == 0)
        r = wr_timeout_check(timeout_s, true, op->server->config->timeout_max_s, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    struct wr_sandbox *sandbox = wr_api_find_any(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    if (sandbox->state == WR_SANDBOX_KILLING)
        wr_api_not_running(ex, sandbox);
    else if (sandbox->state != WR_SANDBOX_RUNNING)
        resume(op, sandbox, (uint64_t)timeout_s, memory);
    else if (wr_api_extend(op, sandbox, (uint64_t)timeout_s, "connected", &error) < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_access(op->server, ex, 200, sandbox);
}

void wr_api_sandboxes_connect(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    wr_api_op_begin(ex, match, data, 1, on_connect_body);
}

void wr_api_sandboxes_connect_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data)
{
    wr_api_op_begin(ex, match, data, 2, on_connect_body);
}
