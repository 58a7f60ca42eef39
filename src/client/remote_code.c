#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/interpreter.h"
#include "client/kept_output.h"
#include "client/remote.h"
#include "client/remote_ops.h"
#include "json/jread.h"
#include "json/value.h"

#define MAX_RESULTS      10000
#define MAX_RESULT_BYTES (256 * WR_MIB)
#define VALUE_BYTES      64 /* of a value or of a member's place, whatever it is */

/* One run of a cell. */
struct run {
    const struct wr_code_opts *opts;
    struct wr_kept_output out, errors, both;
    json_t *results, *error;
    uint64_t result_bytes;
    int64_t count;
    uint64_t begin_us;
    struct wr_error failure; /* of this side; ends the cell */
};

static int run_init(struct run *run, const struct wr_code_opts *opts, struct wr_error *err)
{
    *run = (struct run){.opts = opts, .results = json_array(), .error = json_null()};
    wr_kept_output_init(&run->out, opts->max_output);
    wr_kept_output_init(&run->errors, opts->max_output);
    /* What is kept of each stream fits into both. */
    wr_kept_output_init(&run->both,
                        opts->max_output > UINT64_MAX / 2 ? UINT64_MAX : opts->max_output * 2);
    return run->results ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "code");
}

static void run_done(struct run *run)
{
    wr_kept_output_done(&run->out);
    wr_kept_output_done(&run->errors);
    wr_kept_output_done(&run->both);
    json_decref(run->results);
    json_decref(run->error);
}

/* ---- messages ---- */

static void take_text(struct run *run, struct wr_kept_output *stream,
                      const struct wr_cell_message *message)
{
    size_t kept = 0;

    if (wr_kept_output_add(stream, message->text, message->text_len, &kept, &run->failure) == 0)
        (void)!wr_kept_output_add(&run->both, message->text, kept, NULL, &run->failure);
}

/* Memory that a value holds, nearly: what runs in the sandbox chooses what it is made of. The depth
 * is bounded by what reads messages. */
static uint64_t size_of(const json_t *value)
{
    uint64_t bytes = VALUE_BYTES + json_string_length(value);
    const json_t *member;
    const char *key;
    json_t *of_key;
    size_t i;

    json_array_foreach(value, i, member)
        bytes += size_of(member);
    json_object_foreach((json_t *)(uintptr_t)value, key, of_key)
        bytes += VALUE_BYTES + strlen(key) + size_of(of_key);
    return bytes;
}

/* The formats alone, without what the stream needs. NULL without memory. */
static json_t *formats_of(const json_t *message)
{
    json_t *result = json_copy((json_t *)(uintptr_t)message);

    if (!result)
        return NULL;
    json_object_del(result, "type");
    if (json_object_size(json_object_get(result, "extra")) == 0)
        json_object_del(result, "extra");
    return result;
}

static json_t *take_result(struct run *run, const struct wr_cell_message *message)
{
    json_t *result = formats_of(message->json);

    run->result_bytes += size_of(result);
    if (json_array_size(run->results) >= MAX_RESULTS || run->result_bytes > MAX_RESULT_BYTES)
        /* No limit of a moment: the same code would come to the same. */
        (void)wr_fail(&run->failure, WR_E_OUT_OF_RANGE, 0,
                      "the cell displays too much: more than %d results or %llu MiB", MAX_RESULTS,
                      (unsigned long long)(MAX_RESULT_BYTES / WR_MIB));
    else if (json_array_append(run->results, result) < 0)
        (void)wr_fail(&run->failure, WR_E_RESOURCE_EXHAUSTED, 0, "results of the cell");
    return result;
}

static json_t *take_error(struct run *run, const struct wr_cell_message *message)
{
    json_t *error = json_object();

    if (!error || json_object_set_new(error, "name", json_string(message->name)) < 0 ||
        json_object_set_new(error, "value", json_string(message->value)) < 0 ||
        json_object_set_new(error, "traceback", json_string(message->traceback)) < 0) {
        json_decref(error);
        (void)wr_fail(&run->failure, WR_E_RESOURCE_EXHAUSTED, 0, "error of the cell");
        return NULL;
    }
    json_decref(run->error);
    run->error = json_incref(error);
    return error;
}

static void tell(struct run *run, enum wr_code_event_kind kind,
                 const struct wr_cell_message *message, json_t *value)
{
    const struct wr_code_event event = {.kind = kind,
                                        .text = message->text,
                                        .text_len = message->text_len,
                                        .value = wr_value_of_json(value)};

    if (run->failure.code == WR_OK && run->opts->on_event &&
        run->opts->on_event(&event, run->opts->on_event_data) != 0)
        (void)wr_fail(&run->failure, WR_E_CANCELED, 0, "the code was given up by its caller");
}

static void on_message(struct wr_execution *execution, const struct wr_cell_message *message,
                       void *data)
{
    struct run *run = data;
    wr_auto_json *value = NULL;

    switch (message->kind) {
    case WR_CELL_COUNT:
        run->count = message->count;
        break;
    case WR_CELL_STDOUT:
        take_text(run, &run->out, message);
        tell(run, WR_CODE_STDOUT, message, NULL);
        break;
    case WR_CELL_STDERR:
        take_text(run, &run->errors, message);
        tell(run, WR_CODE_STDERR, message, NULL);
        break;
    case WR_CELL_RESULT:
        value = take_result(run, message);
        tell(run, WR_CODE_RESULT, message, value);
        break;
    case WR_CELL_ERROR:
        value = take_error(run, message);
        tell(run, WR_CODE_ERROR, message, value);
        break;
    }
    if (run->failure.code != WR_OK)
        wr_execution_stop(execution);
}

/* ---- the result ---- */

static int to_value(const struct run *run, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *value = wr_value_object();
    double ms = (double)(wr_mono_us() - run->begin_us) / 1000.0;
    const struct {
        const char *key;
        struct wr_value *member;
    } members[] = {
        {"stdout", wr_kept_output_value(&run->out)},
        {"stderr", wr_kept_output_value(&run->errors)},
        {"output", wr_kept_output_value(&run->both)},
        {"results", wr_value_of_json(json_incref(run->results))},
        {"error", wr_value_of_json(json_incref(run->error))},
        {"execution_count", wr_value_of_int(run->count)},
        {"stdout_dropped", wr_value_of_int((int64_t)run->out.dropped)},
        {"stderr_dropped", wr_value_of_int((int64_t)run->errors.dropped)},
        {"time_ms", wr_value_of_double(ms)},
    };
    int r = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++) {
        int set = wr_value_set(value, members[i].key, members[i].member, err);
        r = r < 0 ? r : set;
    }
    if (r == 0)
        *ret = wr_steal_ptr(&value);
    return r;
}

/* ---- the call ---- */

static void to_interpreter(const struct wr_remote_use *use, const struct wr_call *call,
                           struct wr_interpreter *ret)
{
    const struct wr_sandbox_access *access = call->sandbox;

    *ret = (struct wr_interpreter){.transport = use->transport};
    _Static_assert(sizeof ret->sandbox_id == sizeof access->id &&
                       sizeof ret->sandbox_domain == sizeof access->domain &&
                       sizeof ret->access_token == sizeof access->access_token &&
                       sizeof ret->traffic_token == sizeof access->traffic_token,
                   "whatever fits into one fits into the other");
    memcpy(ret->sandbox_id, access->id, sizeof ret->sandbox_id);
    memcpy(ret->sandbox_domain, access->domain, sizeof ret->sandbox_domain);
    memcpy(ret->access_token, access->access_token, sizeof ret->access_token);
    memcpy(ret->traffic_token, access->traffic_token, sizeof ret->traffic_token);
}

static int run_once(struct wr_remote_use *use, const struct wr_call *call, struct run *run,
                    struct wr_error *err)
{
    const struct wr_code_opts *opts = run->opts;
    struct wr_interpreter interpreter;
    struct wr_cell_request cell = {.code = opts->code,
                                   .code_len = strlen(opts->code),
                                   .context_id = opts->context_id,
                                   .language = opts->language,
                                   .envs = opts->envs,
                                   .env_count = opts->env_count,
                                   .timeout_ms = opts->timeout_ms};
    uint64_t now_ms = wr_mono_ms(), left_ms = use->end_ms > now_ms ? use->end_ms - now_ms : 1;

    /* The call's own end is an end of the code as well. */
    if (use->end_ms != UINT64_MAX && (cell.timeout_ms == 0 || cell.timeout_ms > left_ms))
        cell.timeout_ms = left_ms;
    to_interpreter(use, call, &interpreter);
    run->begin_us = wr_mono_us();
    int r = wr_interpreter_execute(&interpreter, &cell, on_message, run, err);
    explicit_bzero(&interpreter, sizeof interpreter);
    if (run->failure.code != WR_OK) {
        *err = run->failure;
        r = -err->code;
    } else if (r == -WR_E_CANCELED)
        return wr_fail(err, WR_E_CANCELED, 0, "the code was cancelled and interrupted");
    /* Another one is what somebody on the way has said. */
    if (r == -WR_E_DEADLINE_EXCEEDED && cell.timeout_ms &&
        (wr_mono_us() - run->begin_us) / 1000 + 1 >= cell.timeout_ms)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                       "the code ran longer than %llu ms and was interrupted",
                       (unsigned long long)cell.timeout_ms);
    return r;
}

int wr_remote_code_run(void *self, const struct wr_call *call, const struct wr_code_opts *opts,
                       struct wr_value **ret, struct wr_error *err)
{
    struct wr_remote_patience patience = {0};
    struct wr_remote_use use = {0};
    struct run run;

    int r = run_init(&run, opts, err);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_check_reach(&use, call, err);
    if (r == 0) {
        do
            r = run_once(&use, call, &run, err);
        while (r < 0 && run.failure.code == WR_OK && wr_remote_again(&use, call, &patience, err));
        if (r < 0)
            r = wr_remote_explain(&use, call, "the code ran", err);
    }
    wr_remote_end(&use);
    if (r == 0)
        r = to_value(&run, ret, err);
    run_done(&run);
    return r;
}
