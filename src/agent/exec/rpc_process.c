#include "agent/exec/rpc_process.h"

#include <signal.h>

#include "agent/auth.h"
#include "agent/exec/process_messages.h"
#include "agent/exec/rpc_input.h"
#include "agent/exec/select.h"
#include "agent/exec/start.h"
#include "agent/exec/subscriber.h"
#include "agent/keepalive.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "rpc/connect.h"

#define LIST_MAX ((size_t)16 * 1024 * 1024) /* bytes of a List answer */

static struct wr_process *select_process(struct wr_agent *agent, const json_t *request,
                                         bool with_ended, struct wr_error *err)
{
    return wr_process_select(&agent->processes, request, with_ended, err);
}

static void handle_start(const struct wr_connect_call *call, void *data)
{
    struct wr_agent *agent = data;
    struct wr_start_request request;
    struct wr_user user;
    struct wr_process *process = NULL;
    struct wr_error err;
    const struct wr_subscriber_opts opts = {.keepalive_ms = wr_keepalive_ms(call->ex),
                                            .is_starter = true};

    int rc = wr_auth_user(agent->config, call->ex, &user, &err);
    if (rc == 0)
        rc = wr_start_parse(call->request, &request, &err);
    if (rc == 0)
        rc = wr_start_process(agent, &request, &user, call->timeout_ms, &process, &err);
    if (rc == 0)
        rc = wr_subscriber_new(process, &call->out, &opts, &err);
    if (rc < 0)
        wr_connect_fail(&call->out, &err);
}

static void handle_connect(const struct wr_connect_call *call, void *data)
{
    struct wr_error err;
    const struct wr_subscriber_opts opts = {.keepalive_ms = wr_keepalive_ms(call->ex),
                                            .timeout_ms = call->timeout_ms};
    struct wr_process *process = select_process(data, call->request, true, &err);

    if (!process || wr_subscriber_new(process, &call->out, &opts, &err) < 0)
        wr_connect_fail(&call->out, &err);
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
        wr_connect_fail(&call->out, &err);
        return;
    }
    wr_connect_reply(&call->out, wr_buf_ptr(&out), out.len);
}

static void answer(const struct wr_connect_call *call, int rc, const struct wr_error *err)
{
    if (rc < 0)
        wr_connect_fail(&call->out, err);
    else
        wr_connect_reply(&call->out, NULL, 0);
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

    answer(call, process ? close_stdin(process, &err) : -1, &err);
}

/* SIGINT is ours. */
static int read_signal(const json_t *request, int *ret, struct wr_error *err)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {
        {"SIGNAL_SIGINT", SIGINT}, {"SIGNAL_SIGKILL", SIGKILL}, {"SIGNAL_SIGTERM", SIGTERM}};
    const char *name = json_string_value(json_object_get(request, "signal"));

    for (size_t i = 0; name && i < WR_ARRAY_SIZE(signals); i++) {
        if (wr_streq(name, signals[i].name)) {
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
    answer(call, rc, &err);
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

    answer(call, process ? update_pty(process, pty, &err) : -1, &err);
}

static const struct wr_connect_method methods[] = {
    {"/process.Process/Start", WR_CONNECT_SERVER_STREAM, &wr_process_start_request,
     &wr_process_start_response, handle_start},
    {"/process.Process/Connect", WR_CONNECT_SERVER_STREAM, &wr_process_connect_request,
     &wr_process_connect_response, handle_connect},
    {"/process.Process/List", WR_CONNECT_UNARY, &wr_process_list_request, &wr_process_list_response,
     handle_list},
    {"/process.Process/SendInput", WR_CONNECT_UNARY, &wr_process_send_input_request,
     &wr_process_empty_response, wr_rpc_send_input},
    {"/process.Process/StreamInput", WR_CONNECT_CLIENT_STREAM, &wr_process_stream_input_request,
     &wr_process_empty_response, wr_rpc_stream_input},
    {"/process.Process/CloseStdin", WR_CONNECT_UNARY, &wr_process_close_stdin_request,
     &wr_process_empty_response, handle_close_stdin},
    {"/process.Process/SendSignal", WR_CONNECT_UNARY, &wr_process_send_signal_request,
     &wr_process_empty_response, handle_send_signal},
    {"/process.Process/Update", WR_CONNECT_UNARY, &wr_process_update_request,
     &wr_process_empty_response, handle_update},
};

bool wr_rpc_process(struct wr_agent *agent, struct wr_exchange *ex)
{
    return wr_connect_dispatch(methods, WR_ARRAY_SIZE(methods), ex, agent);
}
