#include "agent/exec/rpc_process.h"

#include <signal.h>

#include "agent/auth.h"
#include "agent/exec/limits.h"
#include "agent/exec/start.h"
#include "agent/exec/subscriber.h"
#include "base/alloc.h"
#include "base/encode.h"
#include "base/parse.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "rpc/connect.h"

#define LIST_MAX ((size_t)16 * 1024 * 1024) /* bytes of a List answer */

static void fail_stream(struct wr_exchange *ex, const struct wr_error *err)
{
    wr_connect_stream_start(ex);
    wr_connect_stream_end(ex, err);
}

/* Keepalive-Ping-Interval in seconds; what is not a number in range means the default. */
static uint64_t keepalive_ms(const struct wr_exchange *ex)
{
    char text[16];
    uint64_t seconds = 0;
    if (!wr_h1_get(wr_exchange_head(ex), "Keepalive-Ping-Interval", text, sizeof(text)) ||
        wr_parse_u64(text, 1, WR_EXEC_KEEPALIVE_MAX_S, &seconds) < 0)
        return WR_EXEC_KEEPALIVE_MS;
    return seconds * 1000;
}

/* The process that a request selects, or NULL. */
static struct wr_process *select_process(struct wr_agent *agent, const json_t *request,
                                         bool with_ended, struct wr_error *err)
{
    json_t *selector = NULL;
    const char *tag = NULL;
    uint64_t pid = 0;
    bool has_pid = false;
    struct wr_process *process = NULL;
    const struct wr_json_field outer[] = {
        {.name = "process", .kind = WR_JSON_OBJECT, .ret = &selector}};
    const struct wr_json_field inner[] = {
        {.name = "pid",
         .kind = WR_JSON_U64,
         .ret_present = &has_pid,
         .ret = &pid,
         .max = UINT32_MAX},
        {.name = "tag", .kind = WR_JSON_STRING, .ret = &tag},
    };
    int rc = wr_json_read(request, outer, WR_ARRAY_SIZE(outer), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc == 0 && selector)
        rc = wr_json_read(selector, inner, WR_ARRAY_SIZE(inner), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc < 0)
        return NULL;

    if (has_pid) {
        process = wr_process_by_pid(&agent->processes, (uint32_t)pid, with_ended);
        if (!process)
            (void)wr_fail(err, WR_E_NOT_FOUND, 0, "process with pid %u not found", (uint32_t)pid);
    } else if (tag) {
        process = wr_process_by_tag(&agent->processes, tag, with_ended);
        if (!process)
            (void)wr_fail(err, WR_E_NOT_FOUND, 0, "process with tag %.200s not found", tag);
    } else {
        (void)wr_fail(err, WR_E_UNIMPLEMENTED, 0, "process selector: give a pid or a tag");
    }
    return process;
}

static void handle_start(const struct wr_connect_call *call, void *data)
{
    struct wr_agent *agent = data;
    struct wr_start_request request;
    struct wr_user user;
    struct wr_process *process = NULL;
    struct wr_error err;
    const struct wr_subscriber_opts opts = {.keepalive_ms = keepalive_ms(call->ex),
                                            .is_starter = true};

    int rc = wr_auth_user(agent->config, call->ex, &user, &err);
    if (rc == 0)
        rc = wr_start_parse(call->request, &request, &err);
    if (rc == 0)
        rc = wr_start_process(agent, &request, &user, call->timeout_ms, &process, &err);
    if (rc == 0)
        rc = wr_subscriber_new(process, call->ex, &opts, &err);
    if (rc < 0)
        fail_stream(call->ex, &err);
}

static void handle_connect(const struct wr_connect_call *call, void *data)
{
    struct wr_error err;
    const struct wr_subscriber_opts opts = {.keepalive_ms = keepalive_ms(call->ex),
                                            .timeout_ms = call->timeout_ms};
    struct wr_process *process = select_process(data, call->request, true, &err);

    if (!process || wr_subscriber_new(process, call->ex, &opts, &err) < 0)
        fail_stream(call->ex, &err);
}

static void write_config(struct wr_jw *w, const json_t *config)
{
    const json_t *args = json_object_get(config, "args");
    json_t *envs = json_object_get(config, "envs");
    const char *name;
    json_t *value;

    wr_jw_key(w, "config");
    wr_jw_object(w);
    wr_jw_kstr(w, "cmd", json_string_value(json_object_get(config, "cmd")));
    if (json_array_size(args) > 0) {
        wr_jw_key(w, "args");
        wr_jw_array(w);
        for (size_t i = 0; i < json_array_size(args); i++)
            wr_jw_str(w, json_string_value(json_array_get(args, i)));
        wr_jw_end(w);
    }
    if (json_object_size(envs) > 0) {
        wr_jw_key(w, "envs");
        wr_jw_object(w);
        json_object_foreach(envs, name, value)
            wr_jw_kstr(w, name, json_string_value(value));
        wr_jw_end(w);
    }
    wr_jw_kstr(w, "cwd", json_string_value(json_object_get(config, "cwd")));
    wr_jw_end(w);
}

static void handle_list(const struct wr_connect_call *call, void *data)
{
    struct wr_agent *agent = data;
    wr_auto_buf out = WR_BUF(LIST_MAX);
    struct wr_jw w;
    struct wr_error err;

    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    if (!wr_list_empty(&agent->processes.running)) {
        wr_jw_key(&w, "processes");
        wr_jw_array(&w);
        wr_list_foreach(it, &agent->processes.running) {
            const struct wr_process *process = wr_list_entry(it, struct wr_process, link);
            wr_jw_object(&w);
            write_config(&w, process->config);
            wr_jw_ku64(&w, "pid", (uint64_t)process->pid);
            wr_jw_kstr(&w, "tag", process->tag);
            wr_jw_end(&w);
        }
        wr_jw_end(&w);
    }
    wr_jw_end(&w);
    int rc = wr_jw_finish(&w);
    if (rc < 0) {
        (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, -rc, "the list of processes is too large");
        wr_connect_reply_error(call->ex, &err);
        return;
    }
    wr_connect_reply(call->ex, wr_buf_ptr(&out), out.len);
}

/* The base64 text of a ProcessInput and which kind it is; NULL when there is none. */
static const char *read_input(const json_t *request, bool *ret_pty, struct wr_error *err)
{
    const int max = WR_CONNECT_MAX_MESSAGE;
    json_t *input = NULL;
    const char *text = NULL, *pty = NULL;
    const struct wr_json_field outer[] = {{.name = "input", .kind = WR_JSON_OBJECT, .ret = &input}};
    const struct wr_json_field inner[] = {
        {.name = "stdin", .kind = WR_JSON_STRING, .ret = &text, .max = max},
        {.name = "pty", .kind = WR_JSON_STRING, .ret = &pty, .max = max},
    };
    int rc = wr_json_read(request, outer, WR_ARRAY_SIZE(outer), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc == 0 && input)
        rc = wr_json_read(input, inner, WR_ARRAY_SIZE(inner), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc < 0)
        return NULL;
    if (!text && !pty)
        (void)wr_fail(err, WR_E_UNIMPLEMENTED, 0, "input: give stdin or pty");
    *ret_pty = pty != NULL;
    return pty ? pty : text;
}

static int send_input(struct wr_process *process, const struct wr_connect_call *call,
                      struct wr_error *err)
{
    bool pty = false;
    const char *text = read_input(call->request, &pty, err);
    if (!text)
        return -err->code;
    if (pty != process->is_pty) {
        return wr_fail(err, WR_E_INTERNAL, 0, "process %d %s", process->pid,
                       pty ? "has no pty; send stdin" : "has a pty; send pty input");
    }
    size_t len = strlen(text);
    wr_auto_free char *bytes = malloc(len / 4 * 3 + 3);
    if (!bytes)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
    ssize_t n = wr_base64_decode(text, len, bytes);
    if (n < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "input is not base64");
    return wr_input_send(&process->input, call->ex, bytes, (size_t)n, err);
}

static void handle_send_input(const struct wr_connect_call *call, void *data)
{
    struct wr_error err;
    struct wr_process *process = select_process(data, call->request, false, &err);

    if (!process || send_input(process, call, &err) < 0)
        wr_connect_reply_error(call->ex, &err);
}

static void answer(struct wr_exchange *ex, int rc, const struct wr_error *err)
{
    if (rc < 0) {
        wr_connect_reply_error(ex, err);
    } else {
        wr_connect_reply(ex, NULL, 0);
    }
}

static int close_stdin(struct wr_process *process, struct wr_error *err)
{
    if (process->is_pty) {
        return wr_fail(err, WR_E_UNKNOWN, 0,
                       "process %d has a pty; send it the byte 4 (end of file) instead",
                       process->pid);
    }
    wr_input_close(&process->input);
    return 0;
}

static void handle_close_stdin(const struct wr_connect_call *call, void *data)
{
    struct wr_error err;
    struct wr_process *process = select_process(data, call->request, false, &err);

    answer(call->ex, process ? close_stdin(process, &err) : -1, &err);
}

/* The enum by name or by number; SIGINT is ours. */
static int read_signal(const json_t *request, int *ret, struct wr_error *err)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {
        {"SIGNAL_SIGINT", SIGINT}, {"SIGNAL_SIGKILL", SIGKILL}, {"SIGNAL_SIGTERM", SIGTERM}};
    const json_t *value = json_object_get(request, "signal");

    for (size_t i = 0; i < WR_ARRAY_SIZE(signals); i++) {
        if ((json_is_string(value) && wr_streq(json_string_value(value), signals[i].name)) ||
            (json_is_integer(value) && json_integer_value(value) == signals[i].number)) {
            *ret = signals[i].number;
            return 0;
        }
    }
    return wr_fail(err, WR_E_UNIMPLEMENTED, 0,
                   "signal: only SIGNAL_SIGINT, SIGNAL_SIGKILL and SIGNAL_SIGTERM");
}

static void handle_send_signal(const struct wr_connect_call *call, void *data)
{
    struct wr_error err;
    int signo = 0;
    struct wr_process *process = select_process(data, call->request, false, &err);
    int rc = process ? read_signal(call->request, &signo, &err) : -1;

    if (rc == 0)
        rc = wr_process_signal(process, signo, &err);
    answer(call->ex, rc, &err);
}

static int update_pty(const struct wr_process *process, json_t *pty, struct wr_error *err)
{
    struct wr_pty_size size;

    if (!json_is_object(pty))
        return 0;
    int rc = wr_start_parse_pty(pty, &size, err);
    if (rc < 0)
        return rc;
    if (!process->is_pty) {
        return wr_fail(err, WR_E_INTERNAL, 0, "error resizing tty: process %d has no pty",
                       process->pid);
    }
    return wr_pty_resize(process->out[0].fd, size, err);
}

static void handle_update(const struct wr_connect_call *call, void *data)
{
    struct wr_error err;
    struct wr_process *process = select_process(data, call->request, false, &err);
    json_t *pty = json_object_get(call->request, "pty");

    answer(call->ex, process ? update_pty(process, pty, &err) : -1, &err);
}

static const struct wr_connect_method methods[] = {
    {"/process.Process/Start", true, handle_start},
    {"/process.Process/Connect", true, handle_connect},
    {"/process.Process/List", false, handle_list},
    {"/process.Process/SendInput", false, handle_send_input},
    {"/process.Process/CloseStdin", false, handle_close_stdin},
    {"/process.Process/SendSignal", false, handle_send_signal},
    {"/process.Process/Update", false, handle_update},
};

bool wr_rpc_process(struct wr_agent *agent, struct wr_exchange *ex)
{
    return wr_connect_dispatch(methods, WR_ARRAY_SIZE(methods), ex, agent);
}
