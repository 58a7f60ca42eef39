#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "client/remote.h"
#include "engine/action.h"
#include "json/jread.h"
#include "json/value.h"

#define EXPLAIN_MS        5000  /* for asking whether a sandbox is there */
#define PATIENCE_MS       20000 /* a service that does not listen by then will not */
#define PATIENCE_FIRST_MS 100
#define PATIENCE_LAST_MS  1000

/* ---- one request ---- */

struct exchange {
    struct wr_remote_answer *answer;
    struct wr_transport_call *call;
    bool done;
    struct wr_error error;
};

static void on_head(struct wr_transport_call *call, const struct wr_h1_head *head, void *data)
{
    struct exchange *exchange = data;

    (void)call;
    exchange->answer->status = head->status;
    wr_answer_fields_read(exchange->answer->fields, exchange->answer->field_count, head);
}

static void on_body(struct wr_transport_call *call, const char *bytes, size_t len, void *data)
{
    struct exchange *exchange = data;
    struct wr_remote_answer *answer = exchange->answer;

    (void)call;
    if (exchange->error.code != WR_OK)
        return;
    if (answer->sink)
        (void)!answer->sink(answer->sink_data, bytes, len, &exchange->error);
    else if (wr_buf_append(&answer->body, bytes, len) < 0)
        (void)wr_fail(&exchange->error, WR_E_RESOURCE_EXHAUSTED, 0,
                      "the answer is larger than %zu bytes", answer->body.max);
}

static void on_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct exchange *exchange = data;

    (void)call;
    exchange->call = NULL;
    exchange->done = true;
    if (error && exchange->error.code == WR_OK)
        exchange->error = *error;
}

static int request_once(struct wr_remote_use *use, const struct wr_transport_request *request,
                        struct wr_remote_answer *answer, struct wr_error *err)
{
    static const struct wr_transport_ops ops = {
        .on_head = on_head, .on_body = on_body, .on_end = on_end};
    struct exchange exchange = {.answer = answer};
    char what[80];

    if (!wr_strformat(what, sizeof what, "%s %.60s", request->method, request->target))
        what[0] = '\0';
    int r = wr_transport_begin(use->transport, request, &ops, &exchange, &exchange.call, err);
    while (r == 0 && !exchange.done && exchange.error.code == WR_OK)
        r = wr_remote_step(use, what, err);
    wr_transport_cancel(exchange.call);
    if (r == 0 && exchange.error.code != WR_OK) {
        *err = exchange.error;
        r = -err->code;
    }
    return r;
}

int wr_remote_request(struct wr_remote_use *use, const struct wr_transport_request *request,
                      struct wr_remote_answer *answer, struct wr_error *err)
{
    struct wr_error cause = {0};

    int r = request_once(use, request, answer, &cause);
    if (r == 0)
        return 0;
    /* The server of an idle private Warren ends by itself; nothing of it is inside a sandbox. */
    r = request->sandbox_id ? -cause.code : wr_remote_restart(use, &cause, err);
    if (r < 0) {
        if (request->sandbox_id)
            *err = cause;
        return r;
    }
    return request_once(use, request, answer, err);
}

int wr_remote_parse(const struct wr_transport_request *request,
                    const struct wr_remote_answer *answer, json_t **ret, struct wr_error *err)
{
    static const struct wr_json_limits limits = {.bytes = WR_REMOTE_JSON_MAX,
                                                 .values = WR_REMOTE_JSON_VALUES,
                                                 .allow_nul = true,
                                                 .any = true};
    struct wr_error why = {0};

    if (wr_json_parse_limited(wr_buf_ptr(&answer->body), answer->body.len, &limits, ret, &why) < 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "%s %.60s: the answer: %.100s", request->method,
                       request->target, why.msg);
    return 0;
}

int wr_remote_json(struct wr_remote_use *use, const struct wr_transport_request *request,
                   json_t **ret, struct wr_error *err)
{
    struct wr_remote_answer answer = {.body = WR_BUF(WR_REMOTE_JSON_MAX)};
    json_t *json = NULL;

    answer.body.wipe = true; /* tokens may be in it */
    int r = wr_remote_request(use, request, &answer, err);
    if (r == 0 && ret && answer.body.len > 0)
        r = wr_remote_parse(request, &answer, &json, err);
    wr_buf_done(&answer.body);
    if (r == 0 && ret)
        *ret = json;
    return r;
}

int wr_remote_get(struct wr_remote_use *use, const char *target, json_t **ret, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "GET", .target = target};

    return wr_remote_json(use, &request, ret, err);
}

int wr_remote_post(struct wr_remote_use *use, const char *target, const char *json, json_t **ret,
                   struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "POST",
                                                 .target = target,
                                                 .content_type = "application/json",
                                                 .body = json,
                                                 .body_len = strlen(json)};

    return wr_remote_json(use, &request, ret, err);
}

/* ---- into a sandbox ---- */

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

struct wr_transport_request wr_remote_inside(const struct wr_call *call, uint16_t port,
                                             const char *method, const char *target)
{
    const struct wr_sandbox_access *access = call->sandbox;

    return (struct wr_transport_request){.method = method,
                                         .target = target,
                                         .sandbox_id = access->id,
                                         .port = port,
                                         .sandbox_domain = or_null(access->domain),
                                         .access_token = or_null(access->access_token),
                                         .traffic_token = or_null(access->traffic_token)};
}

int wr_remote_rpc(struct wr_remote_use *use, const struct wr_call *call, const char *path,
                  const struct wr_buf *message, json_t **ret, struct wr_error *err)
{
    static const struct wr_transport_header version = {"Connect-Protocol-Version", "1"};
    struct wr_transport_request request = wr_remote_inside(call, WR_AGENT_PORT, "POST", path);
    json_t *answer = NULL;

    request.user = call->user;
    request.content_type = "application/json";
    request.headers = &version;
    request.header_count = 1;
    request.body = wr_buf_ptr(message);
    request.body_len = message->len;
    int r = wr_remote_json(use, &request, &answer, err);
    if (r < 0)
        return wr_remote_explain(use, call, path + 1, err);
    if (!json_is_object(answer)) {
        json_decref(answer);
        return wr_fail(err, WR_E_INTERNAL, 0, "%s: the agent's answer is no object", path + 1);
    }
    if (ret)
        *ret = answer;
    else
        json_decref(answer);
    return 0;
}

int wr_remote_check_reach(const struct wr_remote_use *use, const struct wr_call *call,
                          struct wr_error *err)
{
    const struct wr_remote *remote = use->remote;

    if (remote->backend != WR_BACKEND_E2B || remote->has_sandbox_url || call->sandbox->domain[0])
        return 0;
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                   "%s did not say under which domain its sandboxes are; set E2B_DOMAIN or "
                   "E2B_SANDBOX_URL",
                   wr_endpoint_name(remote->endpoint));
}

/* ---- what a failure means ---- */

/* The answer of an ingress that knows no such sandbox. */
static bool says_no_sandbox(const struct wr_error *err)
{
    return err->code == WR_E_NOT_FOUND && wr_starts_with(err->msg, "there is no sandbox ");
}

/* Asks the control API: 0 with its state (as text; what is being paused is "paused"), or
 * -WR_E_NOT_FOUND, or another error. */
static int ask_state(struct wr_remote_use *use, const char *id, char *out, size_t cap,
                     struct wr_error *err)
{
    wr_auto_json *info = NULL;
    char target[WR_SANDBOX_ID_MAX + 16];

    if (!wr_strformat(target, sizeof target, "/sandboxes/%s", id))
        return wr_fail(err, WR_E_INTERNAL, 0, "path for sandbox %s", id);
    int r = wr_remote_get(use, target, &info, err);
    const char *state = json_is_true(json_object_get(info, "pausing"))
                            ? "paused"
                            : json_string_value(json_object_get(info, "state"));
    if (r == 0 && (!state || !wr_strcopy(out, cap, state)))
        out[0] = '\0';
    return r;
}

int wr_remote_explain(struct wr_remote_use *use, const struct wr_call *call, const char *what,
                      struct wr_error *err)
{
    const char *id = call->sandbox->id;
    bool absent = says_no_sandbox(err);
    uint64_t end_ms = use->end_ms;
    struct wr_error why = {0};
    char state[16];

    if (err->code != WR_E_UNAVAILABLE && !absent)
        return -err->code;
    use->end_ms = WR_MIN(end_ms, wr_mono_ms() + EXPLAIN_MS);
    int r = ask_state(use, id, state, sizeof state, &why);
    use->end_ms = end_ms;
    if (r == -WR_E_NOT_FOUND || (r < 0 && absent))
        return wr_fail(err, WR_E_ABORTED, 0,
                       "sandbox %s ended while %s (killed, its deadline, or out of memory)", id,
                       what);
    if (r == 0 && wr_streq(state, "paused"))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "sandbox %s is paused; connecting to it resumes it", id);
    if (r == 0 && absent)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "sandbox %s cannot be reached for now", id);
    return -err->code;
}

bool wr_remote_again(struct wr_remote_use *use, const struct wr_call *call,
                     struct wr_remote_patience *patience, struct wr_error *err)
{
    struct wr_error why = {0};
    char state[16];

    if (err->code != WR_E_UNAVAILABLE || !strstr(err->msg, "port is not open"))
        return false;
    if (patience->since_ms == 0) {
        patience->since_ms = wr_mono_ms();
        patience->pause_ms = PATIENCE_FIRST_MS;
    }
    if (wr_mono_ms() - patience->since_ms > PATIENCE_MS ||
        ask_state(use, call->sandbox->id, state, sizeof state, &why) < 0)
        return false;
    if (wr_remote_sleep(use, patience->pause_ms, "waiting for the interpreter", &why) < 0) {
        *err = why;
        return false;
    }
    patience->pause_ms = WR_MIN(patience->pause_ms * 2, (uint64_t)PATIENCE_LAST_MS);
    return true;
}
