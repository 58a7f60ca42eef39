#include "client/interpreter.h"

#include "base/clock.h"
#include "client/api_sandbox.h"
#include "client/ndjson.h"
#include "client/request.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define MAX_CODE    ((size_t)64 * 1024 * 1024)
#define END_WAIT_MS 2000

struct wr_execution {
    struct wr_transport_call *call;
    struct wr_ndjson lines;
    wr_cell_fn fn;
    void *data;
    bool complete; /* the last message was seen */
    bool done;
    struct wr_error error;
};

static struct wr_transport_request to_port(const struct wr_interpreter *interpreter,
                                           const char *method, const char *target,
                                           const struct wr_buf *body)
{
    return (struct wr_transport_request){
        .method = method,
        .target = target,
        .sandbox_id = interpreter->sandbox_id,
        .port = WR_INTERPRETER_PORT,
        .sandbox_domain = interpreter->sandbox_domain,
        .content_type = body ? "application/json" : NULL,
        .access_token = interpreter->access_token[0] ? interpreter->access_token : NULL,
        .traffic_token = interpreter->traffic_token[0] ? interpreter->traffic_token : NULL,
        .text_errors = true,
        .body = body ? wr_buf_ptr(body) : NULL,
        .body_len = body ? body->len : 0,
    };
}

static int read_token(const json_t *answer, const char *name, char *out, size_t cap,
                      struct wr_error *err)
{
    const char *token = json_string_value(json_object_get(answer, name));

    if (!wr_strcopy(out, cap, token ? token : ""))
        return wr_fail(err, WR_E_INTERNAL, 0, "the server's %s is too long", name);
    return 0;
}

int wr_interpreter_open(struct wr_transport *transport, const char *sandbox_id, uint64_t timeout_s,
                        struct wr_interpreter *ret, struct wr_error *err)
{
    struct wr_interpreter made = {.transport = transport};
    wr_auto_json *answer = NULL;
    char target[64], body[64];

    int r = wr_api_sandbox_id_check(sandbox_id, err);
    if (r < 0)
        return r;
    if (!wr_strcopy(made.sandbox_id, sizeof made.sandbox_id, sandbox_id) ||
        !wr_strformat(target, sizeof target, "/sandboxes/%s/connect", sandbox_id) ||
        !wr_strformat(body, sizeof body, "{\"timeout\":%llu}", (unsigned long long)timeout_s))
        return wr_fail(err, WR_E_INTERNAL, 0, "request for sandbox %s", sandbox_id);
    const struct wr_transport_request request = {.method = "POST",
                                                 .target = target,
                                                 .content_type = "application/json",
                                                 .body = body,
                                                 .body_len = strlen(body)};
    r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0)
        r = read_token(answer, "envdAccessToken", made.access_token, sizeof made.access_token, err);
    if (r == 0)
        r = read_token(answer, "domain", made.sandbox_domain, sizeof made.sandbox_domain, err);
    if (r == 0)
        r = read_token(answer, "trafficAccessToken", made.traffic_token, sizeof made.traffic_token,
                       err);
    if (r == 0)
        *ret = made;
    return r;
}

/* ---- one cell ---- */

static const char *required_text(const json_t *message, const char *key, size_t *ret_len,
                                 struct wr_error *err)
{
    const json_t *value = json_object_get(message, key);

    if (!json_is_string(value)) {
        (void)wr_fail(err, WR_E_INTERNAL, 0, "a message of the interpreter lacks \"%s\"", key);
        return NULL;
    }
    *ret_len = json_string_length(value);
    return json_string_value(value);
}

static int read_text(const json_t *json, struct wr_cell_message *message, struct wr_error *err)
{
    message->text = required_text(json, "text", &message->text_len, err);
    return message->text ? 0 : -err->code;
}

static int read_count(const json_t *json, struct wr_cell_message *message, struct wr_error *err)
{
    const json_t *count = json_object_get(json, "execution_count");

    if (!json_is_integer(count))
        return wr_fail(err, WR_E_INTERNAL, 0, "a message of the interpreter lacks its count");
    message->count = json_integer_value(count);
    return 0;
}

static int read_result(const json_t *json, struct wr_cell_message *message, struct wr_error *err)
{
    (void)err;
    message->main = json_is_true(json_object_get(json, "is_main_result"));
    return 0;
}

static int read_failure(const json_t *json, struct wr_cell_message *message, struct wr_error *err)
{
    size_t unused = 0;

    message->name = required_text(json, "name", &unused, err);
    message->value = message->name ? required_text(json, "value", &unused, err) : NULL;
    message->traceback = message->value ? required_text(json, "traceback", &unused, err) : NULL;
    return message->traceback ? 0 : -err->code;
}

static const struct message_type {
    const char *name;
    enum wr_cell_message_kind kind;
    int (*read)(const json_t *json, struct wr_cell_message *message, struct wr_error *err);
} message_types[] = {
    {"number_of_executions", WR_CELL_COUNT, read_count},
    {"stdout", WR_CELL_STDOUT, read_text},
    {"stderr", WR_CELL_STDERR, read_text},
    {"result", WR_CELL_RESULT, read_result},
    {"error", WR_CELL_ERROR, read_failure},
};

/* Unknown types are passed over, as the SDKs do: keepalive is one. */
static int take_message(struct wr_execution *execution, const json_t *json)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    struct wr_cell_message message = {.json = json};

    if (!type)
        return wr_fail(&execution->error, WR_E_INTERNAL, 0,
                       "a message of the interpreter has no type");
    if (wr_streq(type, "end_of_execution")) {
        execution->complete = true;
        return 0;
    }
    for (size_t i = 0; i < WR_ARRAY_SIZE(message_types); i++) {
        if (!wr_streq(type, message_types[i].name))
            continue;
        message.kind = message_types[i].kind;
        int r = message_types[i].read(json, &message, &execution->error);
        if (r == 0)
            execution->fn(execution, &message, execution->data);
        return r;
    }
    return 0;
}

static void on_body(struct wr_transport_call *call, const char *bytes, size_t len, void *data)
{
    struct wr_execution *execution = data;

    (void)call;
    if (execution->error.code != WR_OK || execution->complete)
        return;
    int r = wr_ndjson_push(&execution->lines, bytes, len, &execution->error);
    while (r >= 0 && !execution->complete && execution->error.code == WR_OK) {
        wr_auto_json *json = NULL;
        r = wr_ndjson_next(&execution->lines, &json, &execution->error);
        if (r <= 0)
            break;
        r = take_message(execution, json);
    }
}

static void on_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct wr_execution *execution = data;

    (void)call;
    execution->call = NULL;
    execution->done = true;
    if (execution->error.code != WR_OK || execution->complete)
        return;
    if (error)
        execution->error = *error;
    else
        (void)wr_fail(&execution->error, WR_E_UNAVAILABLE, 0,
                      "the interpreter ended without an end of the cell");
}

void wr_execution_pause(struct wr_execution *execution, bool paused)
{
    if (execution->call)
        wr_transport_pause(execution->call, paused);
}

void wr_execution_stop(struct wr_execution *execution)
{
    if (execution->error.code == WR_OK)
        (void)wr_fail(&execution->error, WR_E_CANCELED, 0, "the cell was given up");
}

/* Entries without '=' are left out: who takes them from people has checked them. */
static void write_envs(struct wr_jw *w, const struct wr_cell_request *request)
{
    if (request->env_count == 0)
        return;
    wr_jw_key(w, "env_vars");
    wr_jw_object(w);
    for (size_t i = 0; i < request->env_count; i++) {
        const char *equals = strchr(request->envs[i], '=');
        if (!equals)
            continue;
        wr_jw_keyn(w, request->envs[i], (size_t)(equals - request->envs[i]));
        wr_jw_str(w, equals + 1);
    }
    wr_jw_end(w);
}

static int write_request(struct wr_buf *out, const struct wr_cell_request *request,
                         struct wr_error *err)
{
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_key(&w, "code");
    wr_jw_strn(&w, request->code, request->code_len);
    if (request->context_id)
        wr_jw_kstr(&w, "context_id", request->context_id);
    else
        wr_jw_kstr(&w, "language", request->language);
    write_envs(&w, request);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    return r < 0 ? wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the cell is larger than %zu MiB",
                           MAX_CODE / WR_MIB)
                 : 0;
}

static int step_until(struct wr_transport *transport, uint64_t end_ms, struct wr_error *err)
{
    uint64_t now = wr_mono_ms();

    if (now >= end_ms)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "the cell ran for too long");
    return wr_transport_step(transport, (int)WR_MIN(end_ms - now, (uint64_t)60000), err);
}

int wr_interpreter_execute(const struct wr_interpreter *interpreter,
                           const struct wr_cell_request *request, wr_cell_fn fn, void *data,
                           struct wr_error *err)
{
    static const struct wr_transport_ops ops = {.on_body = on_body, .on_end = on_end};
    wr_auto_buf body = WR_BUF(MAX_CODE);
    struct wr_execution execution = {.fn = fn, .data = data};
    struct wr_error ignored = {0};

    int r = write_request(&body, request, err);
    if (r < 0)
        return r;
    const struct wr_transport_request http = to_port(interpreter, "POST", "/execute", &body);
    wr_ndjson_init(&execution.lines);
    uint64_t end_ms = request->timeout_ms ? wr_mono_end_ms(request->timeout_ms) : UINT64_MAX;
    r = wr_transport_begin(interpreter->transport, &http, &ops, &execution, &execution.call, err);
    while (r == 0 && !execution.done && !execution.complete && execution.error.code == WR_OK)
        r = step_until(interpreter->transport, end_ms, err);
    /* A stream that is complete has only its end to come: the connection stays usable. Nothing is
     * lost when it does not come. */
    end_ms = wr_mono_ms() + END_WAIT_MS;
    while (r == 0 && !execution.done && execution.complete &&
           step_until(interpreter->transport, end_ms, &ignored) == 0)
        ;
    if (!execution.done)
        wr_transport_cancel(execution.call);
    wr_ndjson_done(&execution.lines);
    if (r == 0 && execution.error.code != WR_OK) {
        *err = execution.error;
        r = -err->code;
    }
    return r;
}

/* ---- contexts ---- */

static int context_target(const char *id, const char *rest, char *out, size_t cap,
                          struct wr_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

    if (!wr_str_only(id, letters, 1, WR_INTERPRETER_CONTEXT_MAX - 1) ||
        !wr_strformat(out, cap, "/contexts/%s%s", id, rest))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not the id of a context", id);
    return 0;
}

static int copy_id(const json_t *context, char ret_id[static WR_INTERPRETER_CONTEXT_MAX],
                   struct wr_error *err)
{
    const char *id = json_string_value(json_object_get(context, "id"));
    char target[96];

    if (!id || context_target(id, "", target, sizeof target, err) < 0 ||
        !wr_strcopy(ret_id, WR_INTERPRETER_CONTEXT_MAX, id))
        return wr_fail(err, WR_E_INTERNAL, 0, "the interpreter gave no id of the context");
    return 0;
}

int wr_interpreter_context_create(const struct wr_interpreter *interpreter, const char *language,
                                  const char *cwd, char ret_id[static WR_INTERPRETER_CONTEXT_MAX],
                                  struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(8192);
    wr_auto_json *answer = NULL;
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "language", language);
    wr_jw_kstr(&w, "cwd", cwd);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "language or directory is too long");
    const struct wr_transport_request request = to_port(interpreter, "POST", "/contexts", &body);
    r = wr_transport_request_json(interpreter->transport, &request, &answer, err);
    return r < 0 ? r : copy_id(answer, ret_id, err);
}

int wr_interpreter_context_find(const struct wr_interpreter *interpreter, const char *language,
                                char ret_id[static WR_INTERPRETER_CONTEXT_MAX],
                                struct wr_error *err)
{
    const struct wr_transport_request request = to_port(interpreter, "GET", "/contexts", NULL);
    wr_auto_json *list = NULL;
    const json_t *context;
    size_t i;

    int r = wr_transport_request_json(interpreter->transport, &request, &list, err);
    if (r < 0)
        return r;
    json_array_foreach(list, i, context) {
        const char *its = json_string_value(json_object_get(context, "language"));
        if (its && wr_streq(its, language))
            return copy_id(context, ret_id, err);
    }
    return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no context for %.40s", language);
}

static int on_context(const struct wr_interpreter *interpreter, const char *method, const char *id,
                      const char *rest, struct wr_error *err)
{
    char target[96];

    int r = context_target(id, rest, target, sizeof target, err);
    if (r < 0)
        return r;
    const struct wr_transport_request request = to_port(interpreter, method, target, NULL);
    return wr_transport_request(interpreter->transport, &request, 0, NULL, err);
}

int wr_interpreter_context_restart(const struct wr_interpreter *interpreter, const char *id,
                                   struct wr_error *err)
{
    return on_context(interpreter, "POST", id, "/restart", err);
}

int wr_interpreter_context_delete(const struct wr_interpreter *interpreter, const char *id,
                                  struct wr_error *err)
{
    return on_context(interpreter, "DELETE", id, "", err);
}
