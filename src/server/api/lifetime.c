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

#define REFRESH_MIN_S 15
#define REFRESH_MAX_S 3600

int wr_api_extend(struct wr_api_op *op, struct wr_sandbox *sandbox, uint64_t timeout_s,
                  const char *reason, struct wr_error *err)
{
    struct wr_cause cause = {reason, op->request};

    if (wr_wall_ms() + timeout_s * 1000 <= sandbox->deadline_ms)
        return 0;
    return wr_lifecycle_set_deadline(op->server, sandbox, timeout_s * 1000, &cause, err);
}

/* ---- timeout ---- */

/* What happens at the deadline happens now. */
static void expire(struct wr_api_op *op, struct wr_sandbox *sandbox)
{
    struct wr_cause cause = {"timeout", op->request};
    struct wr_error error = {0};

    op->busy = true;
    if (wr_lifecycle_expire(op->server, sandbox, &cause, wr_api_op_on_done, op, &error) < 0) {
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

    int r = wr_api_op_read(op, body, len, fields, WR_ARRAY_SIZE(fields), &error);
    if (r == 0)
        r = wr_timeout_check(timeout_s, true, op->server->config->timeout_max_s, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    struct wr_sandbox *sandbox = wr_api_find_running(op->server, ex, &op->who, op->id);
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
    wr_api_op_begin(ex, match, data, 1, on_timeout_body);
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

    int r = wr_api_op_read(op, body, len, fields, WR_ARRAY_SIZE(fields), &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    duration_s = WR_MAX(duration_s, (uint64_t)REFRESH_MIN_S);
    duration_s = WR_MIN(duration_s, (uint64_t)op->server->config->timeout_max_s);
    struct wr_sandbox *sandbox = wr_api_find(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    /* E2B knows only running ones here. */
    if (sandbox->state != WR_SANDBOX_RUNNING) {
        (void)wr_pausing_refuse(sandbox, &error);
        wr_api_error(ex, 404, error.msg);
        return;
    }
    if (wr_api_extend(op, sandbox, duration_s, "refreshed", &error) < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_empty(ex);
}

void wr_api_sandboxes_refresh(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    wr_api_op_begin(ex, match, data, 1, on_refresh_body);
}
