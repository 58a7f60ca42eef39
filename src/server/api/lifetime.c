#include "server/api/lifetime.h"

#include "base/clock.h"
#include "base/str.h"
#include "json/jread.h"
#include "server/api/create_request.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/op.h"
#include "server/api/sandbox_json.h"
#include "server/server.h"

#define MAX_BODY      4096
#define REFRESH_MIN_S 15
#define REFRESH_MAX_S 3600

/* The body's fields; an empty body is {} when nothing is required. */
static int read_body(const struct wr_api_op *op, const char *body, size_t len,
                     const struct wr_json_field *fields, size_t count, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    bool optional = true;

    for (size_t i = 0; i < count; i++)
        optional = optional && !fields[i].required;
    if (len == 0 && optional)
        return 0;
    int r = wr_json_parse(body, len, &json, err);
    if (r == 0)
        r = wr_json_read(
            json, fields, count,
            op->server->config->lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
    return r < 0 ? wr_wrap(err, "validation error") : 0;
}

/* Later, or not at all. */
static int extend(struct wr_api_op *op, struct wr_sandbox *sandbox, uint64_t timeout_s,
                  const char *reason, struct wr_error *err)
{
    struct wr_cause cause = {reason, op->request};

    if (wr_wall_ms() + timeout_s * 1000 <= sandbox->deadline_ms)
        return 0;
    return wr_lifecycle_set_deadline(op->server, sandbox, timeout_s * 1000, &cause, err);
}

static void begin(struct wr_exchange *ex, const struct wr_route_match *match, void *data,
                  int variant,
                  void (*on_body)(struct wr_exchange *ex, const char *body, size_t len, void *op))
{
    struct wr_api_op *op = wr_api_op_new(data, ex);

    if (!op)
        return;
    op->variant = variant;
    /* What is too long to be an id is cut to something else that is none. */
    if (!wr_strformat(op->id, sizeof op->id, "%.60s", match->params[0]))
        op->id[0] = '\0';
    wr_exchange_collect(ex, MAX_BODY, on_body, wr_api_op_on_close, op);
}

/* ---- timeout ---- */

/* What happens at the deadline happens now. */
static void expire(struct wr_api_op *op, struct wr_sandbox *sandbox)
{
    struct wr_cause cause = {"timeout", op->request};
    struct wr_error error = {0};

    op->busy = true;
    if (wr_lifecycle_kill(op->server, sandbox, &cause, wr_api_op_on_done, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(op->ex, &error);
    }
}

static void on_timeout_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_cause cause = {"timeout set", op->request};
    struct wr_error error = {0};
    int64_t timeout_s = 0;
    const struct wr_json_field fields[] = {
        {.name = "timeout", .kind = WR_JSON_I64, .required = true, .ret = &timeout_s},
    };

    int r = read_body(op, body, len, fields, WR_ARRAY_SIZE(fields), &error);
    if (r == 0)
        r = wr_timeout_check(timeout_s, true, op->server->config->timeout_max_s, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    struct wr_sandbox *sandbox = wr_api_find(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    if (timeout_s == 0) {
        expire(op, sandbox);
        return;
    }
    if (wr_lifecycle_set_deadline(op->server, sandbox, (uint64_t)timeout_s * 1000, &cause, &error) <
        0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_empty(ex);
}

void wr_api_sandboxes_timeout(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    begin(ex, match, data, 1, on_timeout_body);
}

/* ---- refreshes ---- */

static void on_refresh_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_error error = {0};
    uint64_t duration_s = 0;
    const struct wr_json_field fields[] = {
        {.name = "duration", .kind = WR_JSON_U64, .ret = &duration_s, .max = REFRESH_MAX_S},
    };

    int r = read_body(op, body, len, fields, WR_ARRAY_SIZE(fields), &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    duration_s = WR_MAX(duration_s, (uint64_t)REFRESH_MIN_S);
    duration_s = WR_MIN(duration_s, (uint64_t)op->server->config->timeout_max_s);
    struct wr_sandbox *sandbox = wr_api_find(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    if (extend(op, sandbox, duration_s, "refreshed", &error) < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_empty(ex);
}

void wr_api_sandboxes_refresh(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    begin(ex, match, data, 1, on_refresh_body);
}

/* ---- connect ---- */

static void on_connect_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_error error = {0};
    int64_t timeout_s = WR_TIMEOUT_DEFAULT_S;
    bool memory = true;
    const struct wr_json_field fields[] = {
        {.name = "timeout", .kind = WR_JSON_I64, .required = op->variant != 2, .ret = &timeout_s},
        /* How a paused sandbox is resumed; there are none. */
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &memory},
    };

    int r = read_body(op, body, len, fields, WR_ARRAY_SIZE(fields), &error);
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
    if (sandbox->state != WR_SANDBOX_RUNNING) {
        wr_api_error(ex, 409, "the sandbox is being killed");
        return;
    }
    if (extend(op, sandbox, (uint64_t)timeout_s, "connected", &error) < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_access(op->server, ex, 200, sandbox);
}

void wr_api_sandboxes_connect(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    begin(ex, match, data, 1, on_connect_body);
}

void wr_api_sandboxes_connect_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data)
{
    begin(ex, match, data, 2, on_connect_body);
}
