#include "client/process.h"

#include <errno.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "rpc/connect.h"

struct wr_process {
    struct wr_transport *transport;
    struct wr_rpc *stream;
    const struct wr_process_ops *ops;
    void *data;
    char sandbox_id[64];
    char sandbox_domain[WR_ENDPOINT_DOMAIN_MAX]; /* "": the endpoint's */
    char access_token[256];                      /* "": none */
    char user[64];                               /* "": default */
    uint32_t pid;
    bool pty;
    bool have_end;
    struct wr_process_end end;
    struct wr_error failure; /* what the agent said makes no sense, or found no memory */
    unsigned calls;          /* unary calls under way */
    bool freed;              /* by the caller; the memory waits for `calls` */
};

/* ---- what the agent says ---- */

int wr_process_signal_of_status(const char *status)
{
    static const struct {
        const char *name;
        int signo;
    } names[] = {
        {"hangup", SIGHUP},
        {"interrupt", SIGINT},
        {"quit", SIGQUIT},
        {"illegal instruction", SIGILL},
        {"trace/breakpoint trap", SIGTRAP},
        {"aborted", SIGABRT},
        {"bus error", SIGBUS},
        {"floating point exception", SIGFPE},
        {"killed", SIGKILL},
        {"user defined signal 1", SIGUSR1},
        {"segmentation fault", SIGSEGV},
        {"user defined signal 2", SIGUSR2},
        {"broken pipe", SIGPIPE},
        {"alarm clock", SIGALRM},
        {"terminated", SIGTERM},
    };

    if (!status || !wr_starts_with(status, "signal: "))
        return 0;
    status += strlen("signal: ");
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (wr_starts_with(status, names[i].name) &&
            (status[strlen(names[i].name)] == '\0' || status[strlen(names[i].name)] == ' '))
            return names[i].signo;
    return SIGKILL;
}

static void read_data(struct wr_process *process, const json_t *data)
{
    static const struct {
        const char *name;
        enum wr_process_stream stream;
    } streams[] = {
        {"stdout", WR_PROCESS_STDOUT}, {"stderr", WR_PROCESS_STDERR}, {"pty", WR_PROCESS_PTY}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(streams); i++) {
        const json_t *value = json_object_get(data, streams[i].name);
        size_t len = json_string_length(value);
        if (len == 0)
            continue;
        wr_auto_free char *bytes = wr_calloc(1, len / 4 * 3 + 3);
        ssize_t n = bytes ? wr_base64_decode(json_string_value(value), len, bytes) : 0;
        if (!bytes)
            (void)wr_fail(&process->failure, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "output");
        else if (n < 0)
            (void)wr_fail(&process->failure, WR_E_DATA_LOSS, 0,
                          "output of the program did not arrive as base64");
        else
            process->ops->on_output(process, streams[i].stream, bytes, (size_t)n, process->data);
    }
}

static void read_process_end(struct wr_process *process, const json_t *end)
{
    const char *status = json_string_value(json_object_get(end, "status"));
    const json_t *exit_code = json_object_get(end, "exitCode"); /* 0 is left out */
    json_int_t code = json_integer_value(exit_code);

    if (!json_is_object(end) || (exit_code && !json_is_integer(exit_code))) {
        (void)wr_fail(&process->failure, WR_E_DATA_LOSS, 0,
                      "the agent did not say how the program ended");
        return;
    }
    process->have_end = true;
    process->end.signal = wr_process_signal_of_status(status);
    if (process->end.signal)
        process->end.exit_status = 128 + process->end.signal;
    else
        process->end.exit_status = (int)(code & 0xff);
}

static void on_message(struct wr_rpc *rpc, const json_t *message, void *data)
{
    struct wr_process *process = data;
    const json_t *event = json_object_get(message, "event");
    const json_t *start = json_object_get(event, "start");
    const json_t *output = json_object_get(event, "data");
    const json_t *end = json_object_get(event, "end");

    (void)rpc;
    if (process->failure.code != WR_OK)
        return;
    if (start && process->pid == 0) {
        json_int_t pid = json_integer_value(json_object_get(start, "pid"));
        process->pid = pid > 0 && pid <= INT32_MAX ? (uint32_t)pid : 0;
        if (process->ops->on_start && process->pid)
            process->ops->on_start(process, process->pid, process->data);
    }
    if (output)
        read_data(process, output);
    if (end)
        read_process_end(process, end);
}

static void on_stream_end(struct wr_rpc *rpc, const struct wr_error *error, void *data)
{
    struct wr_process *process = data;
    struct wr_error own = {0};

    (void)rpc;
    process->stream = NULL;
    if (process->failure.code != WR_OK) {
        error = &process->failure;
    } else if (!error && !process->have_end) {
        (void)wr_fail(&own, WR_E_UNAVAILABLE, 0, "the agent did not say how the program ended");
        error = &own;
    }
    process->ops->on_end(process, error ? NULL : &process->end, error, process->data);
}

static const struct wr_rpc_stream_ops stream_ops = {.on_message = on_message,
                                                    .on_end = on_stream_end};

/* ---- start ---- */

static int write_envs(struct wr_jw *w, const struct wr_process_opts *opts, struct wr_error *err)
{
    wr_jw_key(w, "envs");
    wr_jw_object(w);
    for (size_t i = 0; i < opts->env_count; i++) {
        const char *equals = strchr(opts->envs[i], '=');
        if (!equals || equals == opts->envs[i])
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "variable %.60s: not NAME=value",
                           opts->envs[i]);
        wr_auto_free char *name = wr_strndup(opts->envs[i], (size_t)(equals - opts->envs[i]));
        if (!name)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "variables");
        wr_jw_kstr(w, name, equals + 1);
    }
    wr_jw_end(w);
    return 0;
}

static void write_size(struct wr_jw *w, unsigned cols, unsigned rows)
{
    wr_jw_key(w, "pty");
    wr_jw_object(w);
    wr_jw_key(w, "size");
    wr_jw_object(w);
    wr_jw_ku64(w, "cols", cols);
    wr_jw_ku64(w, "rows", rows);
    wr_jw_end(w);
    wr_jw_end(w);
}

static int write_start(struct wr_buf *out, const struct wr_process_opts *opts, struct wr_error *err)
{
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_key(&w, "process");
    wr_jw_object(&w);
    wr_jw_kstr(&w, "cmd", opts->cmd);
    wr_jw_key(&w, "args");
    wr_jw_array(&w);
    for (size_t i = 0; i < opts->arg_count; i++)
        wr_jw_str(&w, opts->args[i]);
    wr_jw_end(&w);
    int r = write_envs(&w, opts, err);
    if (r < 0)
        return r;
    wr_jw_kstr(&w, "cwd", opts->cwd);
    wr_jw_end(&w);
    if (opts->pty)
        write_size(&w, opts->cols, opts->rows);
    wr_jw_kbool(&w, "stdin", opts->with_stdin);
    wr_jw_end(&w);
    r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "arguments and variables are too large");
    return 0;
}

static void free_now(struct wr_process *process)
{
    explicit_bzero(process->access_token, sizeof process->access_token);
    free(process);
}

/* For the calls that name the process later. */
static bool copy_names(struct wr_process *process, const struct wr_process_opts *opts)
{
    const struct {
        char *to;
        size_t cap;
        const char *from;
    } names[] = {
        {process->sandbox_id, sizeof process->sandbox_id, opts->sandbox_id},
        {process->sandbox_domain, sizeof process->sandbox_domain, opts->sandbox_domain},
        {process->access_token, sizeof process->access_token, opts->access_token},
        {process->user, sizeof process->user, opts->user},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (!wr_strcopy(names[i].to, names[i].cap, names[i].from ? names[i].from : ""))
            return false;
    return true;
}

int wr_process_start(struct wr_transport *transport, const struct wr_process_opts *opts,
                     const struct wr_process_ops *ops, void *data, struct wr_process **ret,
                     struct wr_error *err)
{
    wr_auto_buf message = WR_BUF(WR_CONNECT_MAX_MESSAGE);
    struct wr_process *process = wr_calloc(1, sizeof *process);
    struct wr_rpc_request request = {.sandbox_id = opts->sandbox_id,
                                     .sandbox_domain = opts->sandbox_domain,
                                     .access_token = opts->access_token,
                                     .path = "/process.Process/Start",
                                     .user = opts->user,
                                     .timeout_ms = opts->timeout_ms};

    if (!process)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "process");
    process->transport = transport;
    process->ops = ops;
    process->data = data;
    process->pty = opts->pty;
    int r = 0;
    if (!copy_names(process, opts))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "sandbox or user: the name is too long");
    if (r == 0)
        r = write_start(&message, opts, err);
    if (r == 0) {
        request.message = wr_buf_ptr(&message);
        request.message_len = message.len;
        r = wr_rpc_stream(transport, &request, &stream_ops, process, &process->stream, err);
    }
    if (r < 0) {
        free_now(process);
        return r;
    }
    *ret = process;
    return 0;
}

struct wr_process *wr_process_free(struct wr_process *process)
{
    if (!process)
        return NULL;
    wr_rpc_cancel(wr_steal_ptr(&process->stream));
    process->freed = true;
    if (process->calls == 0)
        free_now(process);
    return NULL;
}

/* ---- calls that name the process ---- */

static void call_over(struct wr_process *process)
{
    process->calls--;
    if (process->freed && process->calls == 0)
        free_now(process);
}

static void on_ignored(const json_t *answer, const struct wr_error *error, void *data)
{
    (void)answer;
    (void)error; /* the program may have ended: its own end tells */
    call_over(data);
}

static void on_input(const json_t *answer, const struct wr_error *error, void *data)
{
    struct wr_process *process = data;

    (void)answer;
    if (!process->freed && process->ops->on_input_done)
        process->ops->on_input_done(process, error, process->data);
    call_over(process);
}

/* {"process": {"pid": n}, ... }: the caller writes the rest and ends the object. */
static void begin_message(struct wr_jw *w, struct wr_buf *out, const struct wr_process *process)
{
    wr_jw_init(w, out);
    wr_jw_object(w);
    wr_jw_key(w, "process");
    wr_jw_object(w);
    wr_jw_ku64(w, "pid", process->pid);
    wr_jw_end(w);
}

static int send_message(struct wr_process *process, const char *path, struct wr_jw *w,
                        wr_rpc_unary_fn fn, struct wr_error *err)
{
    const char *token = process->access_token;
    struct wr_rpc_request request = {.sandbox_id = process->sandbox_id,
                                     .sandbox_domain = process->sandbox_domain,
                                     .access_token = token[0] ? token : NULL,
                                     .path = path,
                                     .user = process->user[0] ? process->user : NULL};

    wr_jw_end(w);
    int r = wr_jw_finish(w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "message to the agent");
    request.message = wr_buf_ptr(w->out);
    request.message_len = w->out->len;
    r = wr_rpc_unary(process->transport, &request, fn, process, err);
    if (r == 0)
        process->calls++;
    return r;
}

int wr_process_input(struct wr_process *process, const void *bytes, size_t len,
                     struct wr_error *err)
{
    wr_auto_buf message = WR_BUF(WR_BASE64_LEN(WR_PROCESS_INPUT_CHUNK) + 256);
    struct wr_jw w;

    begin_message(&w, &message, process);
    wr_jw_key(&w, "input");
    wr_jw_object(&w);
    wr_jw_key(&w, process->pty ? "pty" : "stdin");
    wr_jw_base64(&w, bytes, len);
    wr_jw_end(&w);
    return send_message(process, "/process.Process/SendInput", &w, on_input, err);
}

void wr_process_close_stdin(struct wr_process *process)
{
    wr_auto_buf message = WR_BUF(256);
    struct wr_error ignored = {0};
    struct wr_jw w;

    begin_message(&w, &message, process);
    (void)send_message(process, "/process.Process/CloseStdin", &w, on_ignored, &ignored);
}

int wr_process_signal(struct wr_process *process, int signo, struct wr_error *err)
{
    wr_auto_buf message = WR_BUF(256);
    struct wr_jw w;

    begin_message(&w, &message, process);
    wr_jw_ki64(&w, "signal", signo);
    return send_message(process, "/process.Process/SendSignal", &w, on_ignored, err);
}

int wr_process_resize(struct wr_process *process, unsigned cols, unsigned rows,
                      struct wr_error *err)
{
    wr_auto_buf message = WR_BUF(256);
    struct wr_jw w;

    begin_message(&w, &message, process);
    write_size(&w, cols, rows);
    return send_message(process, "/process.Process/Update", &w, on_ignored, err);
}

void wr_process_pause(struct wr_process *process, bool paused)
{
    if (process->stream)
        wr_rpc_pause(process->stream, paused);
}

uint32_t wr_process_pid(const struct wr_process *process)
{
    return process->pid;
}
