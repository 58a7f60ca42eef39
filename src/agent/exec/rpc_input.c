#include "agent/exec/rpc_input.h"

#include "agent/exec/select.h"
#include "agent/state.h"
#include "base/alloc.h"
#include "base/encode.h"
#include "rpc/receive.h"

/* The bytes of a ProcessInput for this process, 0, 1 (later) or -WR_E_* as wr_input_send(). */
static int send_bytes(struct wr_process *process, struct wr_input_write *write, const json_t *input,
                      struct wr_error *err)
{
    const json_t *pty = json_object_get(input, "pty");
    const json_t *value = pty ? pty : json_object_get(input, "stdin");

    if (!value)
        return wr_fail(err, WR_E_UNIMPLEMENTED, 0, "input: give stdin or pty");
    if ((pty != NULL) != process->is_pty) {
        return wr_fail(err, WR_E_INTERNAL, 0, "process %d %s", process->pid,
                       pty ? "has no pty; send stdin" : "has a pty; send pty input");
    }
    size_t len = json_string_length(value);
    wr_auto_free char *bytes = malloc(len / 4 * 3 + 3);
    if (!bytes)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
    ssize_t n = wr_base64_decode(json_string_value(value), len, bytes);
    if (n < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "input is not base64");
    return wr_input_send(&process->input, write, bytes, (size_t)n, err);
}

/* A SendInput call whose bytes found no room yet. Lives until its exchange is closed. */
struct send_call {
    struct wr_input_write write;
    struct wr_connect_out out;
};

static void on_send_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct send_call *c = data;

    (void)ex;
    (void)aborted;
    wr_input_write_cancel(&c->write);
    free(c);
}

static void on_sent(struct wr_input_write *write, const struct wr_error *error)
{
    const struct send_call *c = wr_container_of(write, struct send_call, write);

    if (error)
        wr_connect_fail(&c->out, error);
    else
        wr_connect_reply(&c->out, NULL, 0);
}

void wr_rpc_send_input(const struct wr_connect_call *call, void *agent)
{
    static const struct wr_exchange_ops ops = {.on_close = on_send_close};
    struct wr_process_table *table = &((struct wr_agent *)agent)->processes;
    struct wr_error err;
    struct wr_process *process = wr_process_select(table, call->request, false, &err);
    wr_auto_free struct send_call *c = process ? wr_calloc(1, sizeof(*c)) : NULL;

    if (!c) {
        if (process)
            (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
        wr_connect_fail(&call->out, &err);
        return;
    }
    c->out = call->out;
    c->write.done = on_sent;
    int rc = send_bytes(process, &c->write, json_object_get(call->request, "input"), &err);
    if (rc < 0)
        wr_connect_fail(&call->out, &err);
    else if (rc == 0)
        wr_connect_reply(&call->out, NULL, 0);
    else
        wr_exchange_set_ops(call->ex, &ops, wr_steal_ptr(&c));
}

/* A StreamInput call. Its first message selects the process; each of the others is taken when the
 * one before was accepted. */
struct stream_call {
    struct wr_process_table *table;
    struct wr_connect_in *in;
    struct wr_input_write write;
    uint64_t serial; /* of the process; 0: not selected yet */
    uint32_t pid;
};

static int take_start(struct stream_call *c, const json_t *start, struct wr_error *err)
{
    if (c->serial != 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "start: this stream has its process already");
    const struct wr_process *process = wr_process_select(c->table, start, false, err);
    if (!process)
        return -err->code;
    c->serial = process->serial;
    c->pid = (uint32_t)process->pid;
    return 0;
}

static int take_data(struct stream_call *c, const json_t *data, struct wr_error *err)
{
    if (c->serial == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "data: the first message of the stream must be start");
    struct wr_process *process = wr_process_by_serial(c->table, c->serial);
    if (!process)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "process with pid %u not found", c->pid);
    int rc = send_bytes(process, &c->write, json_object_get(data, "input"), err);
    if (rc == 1)
        wr_connect_in_pause(c->in, true);
    return rc;
}

static void on_message(struct wr_connect_in *in, json_t *message, void *data)
{
    struct stream_call *c = data;
    const json_t *start = json_object_get(message, "start");
    const json_t *bytes = json_object_get(message, "data");
    struct wr_error err;
    int rc = 0;

    if (start)
        rc = take_start(c, start, &err);
    else if (bytes)
        rc = take_data(c, bytes, &err);
    else if (!json_object_get(message, "keepalive"))
        rc = wr_fail(&err, WR_E_UNIMPLEMENTED, 0, "event: give start, data or keepalive");
    if (rc < 0)
        wr_connect_in_fail(in, &err);
}

static void on_written(struct wr_input_write *write, const struct wr_error *error)
{
    struct stream_call *c = wr_container_of(write, struct stream_call, write);

    if (error)
        wr_connect_in_fail(c->in, error);
    else
        wr_connect_in_pause(c->in, false);
}

static void on_end(struct wr_connect_in *in, void *data)
{
    (void)data;
    wr_connect_in_reply(in);
}

static void on_stream_close(void *data)
{
    struct stream_call *c = data;

    wr_input_write_cancel(&c->write);
    free(c);
}

void wr_rpc_stream_input(const struct wr_connect_call *call, void *agent)
{
    static const struct wr_connect_in_ops ops = {
        .on_message = on_message, .on_end = on_end, .on_close = on_stream_close};
    struct wr_error err = {0};
    struct stream_call *c = wr_calloc(1, sizeof(*c));

    if (!c) {
        (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a new call");
        wr_connect_fail(&call->out, &err);
        return;
    }
    c->table = &((struct wr_agent *)agent)->processes;
    c->write.done = on_written;
    if (wr_connect_receive(call, &ops, c, &c->in, &err) < 0) {
        free(c);
        wr_connect_fail(&call->out, &err);
    }
}
