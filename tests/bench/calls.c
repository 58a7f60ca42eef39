#include "calls.h"

#include "base/clock.h"
#include "client/process.h"
#include "engine/action.h"
#include "json/jread.h"

/* ---- plain requests ---- */

static void on_body(struct wr_transport_call *http, const char *bytes, size_t len, void *data)
{
    struct wr_call *call = data;

    (void)http;
    if (wr_buf_append(&call->body, bytes, len) < 0)
        (void)wr_fail(&call->error, WR_E_RESOURCE_EXHAUSTED, 0, "the answer is too long");
}

static void on_end(struct wr_transport_call *http, const struct wr_error *error, void *data)
{
    struct wr_call *call = data;

    (void)http;
    call->ended_us = wr_mono_us();
    if (error)
        call->error = *error;
    (*call->running)--;
}

static const struct wr_transport_ops request_ops = {.on_body = on_body, .on_end = on_end};

static void call_init(struct wr_call *call, size_t *running)
{
    *call = (struct wr_call){.running = running, .body = WR_BUF(64 * 1024)};
    call->started_us = wr_mono_us();
}

static int begin(struct wr_transport *client, const struct wr_transport_request *request,
                 struct wr_call *call, size_t *running, struct wr_error *err)
{
    call_init(call, running);
    int rc = wr_transport_begin(client, request, &request_ops, call, NULL, err);
    if (rc == 0)
        (*running)++;
    return rc;
}

int wr_call_create(struct wr_transport *client, const char *template_name, struct wr_call *call,
                   size_t *running, struct wr_error *err)
{
    char body[160];

    if (!wr_strformat(body, sizeof(body), "{\"templateID\":\"%s\",\"timeout\":600}", template_name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the template name is too long");
    const struct wr_transport_request request = {.method = "POST",
                                                 .target = "/sandboxes",
                                                 .content_type = "application/json",
                                                 .body = body,
                                                 .body_len = strlen(body)};
    return begin(client, &request, call, running, err);
}

int wr_call_kill(struct wr_transport *client, const char *id, struct wr_call *call, size_t *running,
                 struct wr_error *err)
{
    char target[64];

    if (!wr_strformat(target, sizeof(target), "/sandboxes/%s", id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the sandbox id is too long");
    const struct wr_transport_request request = {.method = "DELETE", .target = target};
    return begin(client, &request, call, running, err);
}

int wr_call_health(struct wr_transport *client, const char *id, struct wr_call *call,
                   size_t *running, struct wr_error *err)
{
    const struct wr_transport_request request = {
        .method = "GET", .target = "/health", .sandbox_id = id, .port = WR_AGENT_PORT};
    return begin(client, &request, call, running, err);
}

/* ---- programs ---- */

static void on_output(struct wr_process *process, enum wr_process_stream stream, const void *bytes,
                      size_t len, void *data)
{
    struct wr_call *call = data;

    (void)process;
    (void)stream;
    (void)bytes;
    (void)len;
    if (call->first_us == 0)
        call->first_us = wr_mono_us();
}

static void on_process_end(struct wr_process *process, const struct wr_process_end *end,
                           const struct wr_error *error, void *data)
{
    struct wr_call *call = data;

    (void)process;
    call->ended_us = wr_mono_us();
    if (error)
        call->error = *error;
    else
        call->exit_status = end->exit_status;
    (*call->running)--;
}

static const struct wr_process_ops process_ops = {.on_output = on_output, .on_end = on_process_end};

int wr_call_exec(struct wr_transport *client, const char *id, const char *const cmd[2],
                 struct wr_call *call, size_t *running, struct wr_error *err)
{
    const struct wr_process_opts opts = {
        .sandbox_id = id, .cmd = cmd[0], .args = cmd + 1, .arg_count = cmd[1] ? 1 : 0};

    call_init(call, running);
    int rc = wr_process_start(client, &opts, &process_ops, call, &call->process, err);
    if (rc == 0)
        (*running)++;
    return rc;
}

/* ---- the end ---- */

int wr_calls_wait(struct wr_transport *client, const size_t *running, struct wr_error *err)
{
    uint64_t deadline_ms = wr_mono_ms() + WR_CALL_TIMEOUT_MS;

    while (*running > 0) {
        int rc = wr_transport_step(client, 1000, err);
        if (rc < 0)
            return rc;
        if (wr_mono_ms() >= deadline_ms)
            return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%zu calls are not over after %d s",
                           *running, WR_CALL_TIMEOUT_MS / 1000);
    }
    return 0;
}

static int read_id(const struct wr_buf *body, char ret_id[WR_ID_LEN + 1], struct wr_error *err)
{
    wr_auto_json *json = NULL;
    const char *id = NULL;
    const struct wr_json_field field = {
        .name = "sandboxID", .kind = WR_JSON_STRING, .required = true, .ret = &id};
    int rc = wr_json_parse(wr_buf_ptr(body), body->len, &json, err);

    if (rc == 0)
        rc = wr_json_read(json, &field, 1, WR_JSON_IGNORE_UNKNOWN, err);
    if (rc == 0 && !wr_id_valid(id))
        rc = wr_fail(err, WR_E_INTERNAL, 0, "the answer to a create has no valid id");
    if (rc == 0)
        memcpy(ret_id, id, WR_ID_LEN + 1);
    return rc;
}

int wr_call_check(struct wr_call *call, char ret_id[WR_ID_LEN + 1], struct wr_error *err)
{
    int rc = 0;

    call->process = wr_process_free(call->process);
    if (call->error.code) {
        *err = call->error;
        rc = -err->code;
    } else if (call->exit_status != 0) {
        rc = wr_fail(err, WR_E_INTERNAL, 0, "a program ended with status %d", call->exit_status);
    } else if (ret_id) {
        rc = read_id(&call->body, ret_id, err);
    }
    wr_buf_done(&call->body);
    return rc;
}
