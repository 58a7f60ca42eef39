#include "client/api_pause.h"

#include "base/str.h"
#include "client/api_sandbox.h"
#include "client/request.h"
#include "json/jread.h"

#define SLOW_MS    ((uint64_t)600000) /* gigabytes may have to be written */
#define MAX_ANSWER ((size_t)1024 * 1024)

/* POST of `body`, with time for what takes long. */
static int post(struct wr_transport *transport, const char *target, const char *body,
                struct wr_transport_want *want, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "POST",
                                                 .target = target,
                                                 .content_type = "application/json",
                                                 .body = body,
                                                 .body_len = strlen(body)};

    want->timeout_ms = SLOW_MS;
    return wr_transport_ask(transport, &request, want, err);
}

int wr_api_sandbox_pause(struct wr_transport *transport, const char *id,
                         const struct wr_pause_opts *opts, struct wr_api_paused *ret,
                         struct wr_error *err)
{
    char target[WR_API_TARGET_MAX], body[WR_PERSIST_BODY_MAX];
    struct wr_api_paused paused = {0};
    struct wr_answer_field fields[] = {
        {.name = WR_PAUSE_LEVEL_FIELD, .out = paused.level, .cap = sizeof paused.level},
        {.name = WR_PAUSE_REASON_FIELD, .out = paused.reason, .cap = sizeof paused.reason},
    };
    struct wr_transport_want want = {.fields = fields, .field_count = WR_ARRAY_SIZE(fields)};

    int r = wr_api_sandbox_target(id, "/pause", target, err);
    if (r == 0)
        r = wr_pause_body(opts, body, err);
    if (r == 0)
        r = post(transport, target, body, &want, err);
    if (r == 0)
        *ret = paused;
    return r;
}

int wr_api_sandbox_resume(struct wr_transport *transport, const char *id,
                          const struct wr_resume_opts *opts, struct wr_error *err)
{
    char target[WR_API_TARGET_MAX], body[WR_PERSIST_BODY_MAX];

    int r = wr_api_sandbox_target(id, "/connect", target, err);
    if (r == 0)
        r = wr_resume_body(opts, body, err);
    return r < 0 ? r : post(transport, target, body, &(struct wr_transport_want){0}, err);
}

int wr_api_sandbox_rollback(struct wr_transport *transport, const char *id, const char *snapshot_id,
                            uint64_t timeout_s, struct wr_error *err)
{
    char target[WR_API_TARGET_MAX], body[WR_PERSIST_BODY_MAX];

    int r = wr_api_sandbox_target(id, "/rollback", target, err);
    if (r == 0)
        r = wr_rollback_body(snapshot_id, timeout_s, body, err);
    return r < 0 ? r : post(transport, target, body, &(struct wr_transport_want){0}, err);
}

int wr_api_sandbox_fork(struct wr_transport *transport, const char *id,
                        const struct wr_fork_opts *opts, json_t **ret, struct wr_error *err)
{
    static const struct wr_json_limits limits = {
        .bytes = MAX_ANSWER, .values = MAX_ANSWER, .allow_nul = true, .any = true};
    char target[WR_API_TARGET_MAX], body[WR_PERSIST_BODY_MAX];
    wr_auto_buf answer = WR_BUF(MAX_ANSWER);
    wr_auto_json *list = NULL;

    answer.wipe = true; /* tokens are in it */
    int r = wr_api_sandbox_target(id, "/fork", target, err);
    if (r == 0)
        r = wr_fork_body(opts, body, err);
    if (r == 0)
        r = post(transport, target, body, &(struct wr_transport_want){.body = &answer}, err);
    if (r == 0)
        r = wr_json_parse_limited(wr_buf_ptr(&answer), answer.len, &limits, &list, err);
    if (r == 0 && !json_is_array(list))
        r = wr_fail(err, WR_E_INTERNAL, 0, "POST %s: the answer is not a list", target);
    if (r == 0)
        *ret = json_incref(list);
    return r;
}

int wr_api_sandbox_get(struct wr_transport *transport, const char *id, json_t **ret,
                       struct wr_error *err)
{
    char target[WR_API_TARGET_MAX];
    const struct wr_transport_request request = {.method = "GET", .target = target};
    wr_auto_json *answer = NULL;

    int r = wr_api_sandbox_target(id, "", target, err);
    if (r == 0)
        r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && !json_is_object(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "GET %s: the answer is not an object", target);
    if (r == 0)
        *ret = json_incref(answer);
    return r;
}
