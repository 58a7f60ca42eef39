#include "rpc/receive.h"

#include "base/alloc.h"
#include "http/limits.h"
#include "json/jread.h"

struct wr_connect_in {
    struct wr_connect_out out;
    const struct wr_proto_message *message;
    const struct wr_connect_in_ops *ops;
    void *data;
    struct wr_buf bytes; /* at most one unfinished message and one read of the socket */
    struct wr_idle again;
    struct wr_timer deadline;
    bool gzip;
    bool paused;
    bool ended;    /* the client has sent everything */
    bool answered; /* nothing more is taken */
};

void wr_connect_in_reply(struct wr_connect_in *in)
{
    if (in->answered)
        return;
    in->answered = true;
    wr_connect_reply(&in->out, NULL, 0);
}

void wr_connect_in_fail(struct wr_connect_in *in, const struct wr_error *error)
{
    if (in->answered)
        return;
    in->answered = true;
    wr_connect_fail(&in->out, error);
}

/* The next message to its receiver; false when there is none now. */
static bool take_message(struct wr_connect_in *in)
{
    uint8_t allowed = WR_CONNECT_END_STREAM | (in->gzip ? WR_CONNECT_COMPRESSED : 0);
    struct wr_envelope envelope = {0};
    struct wr_error err = {0};
    wr_auto_json *message = NULL;

    const char *bytes = in->bytes.len > 0 ? wr_buf_ptr(&in->bytes) : "";
    ssize_t n = wr_envelope_read(bytes, in->bytes.len, allowed, &envelope, &err);
    if (n == 0)
        return false;
    if (n > 0 && (envelope.flags & WR_CONNECT_END_STREAM)) {
        in->ended = true;
        wr_buf_clear(&in->bytes);
        return false;
    }
    if (n < 0 || wr_connect_parse(in->message, in->out.codec, &envelope, &message, &err) < 0) {
        wr_connect_in_fail(in, &err);
        return false;
    }
    wr_buf_consume(&in->bytes, (size_t)n);
    in->ops->on_message(in, message, in->data);
    return true;
}

static void take_end(struct wr_connect_in *in)
{
    struct wr_error err;

    if (in->bytes.len > 0) {
        (void)wr_fail(&err, WR_E_INVALID_ARGUMENT, 0, "the last message of the request is cut");
        wr_connect_in_fail(in, &err);
        return;
    }
    in->ops->on_end(in, in->data);
}

static void take_all(struct wr_connect_in *in)
{
    while (!in->answered && !in->paused && take_message(in)) {
    }
    if (!in->answered && !in->paused && in->ended)
        take_end(in);
    if (in->answered)
        wr_buf_done(&in->bytes);
    /* The body is read on only when everything before it was taken. */
    wr_exchange_pause(in->out.ex, in->paused && !in->answered);
}

static void on_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    struct wr_connect_in *in = data_ptr;
    struct wr_error err;

    (void)ex;
    if (in->answered || in->ended)
        return;
    if (wr_buf_append(&in->bytes, data, len) < 0) {
        (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the request");
        wr_connect_in_fail(in, &err);
        return;
    }
    take_all(in);
}

static void on_body_end(struct wr_exchange *ex, void *data_ptr)
{
    struct wr_connect_in *in = data_ptr;

    (void)ex;
    if (in->answered || in->ended)
        return;
    in->ended = true;
    take_all(in);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    take_all(data);
}

static void on_deadline(struct wr_timer *timer, void *data)
{
    struct wr_connect_in *in = data;
    struct wr_error err;

    (void)timer;
    if (in->answered)
        return;
    (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0, "the deadline of this call has passed");
    wr_connect_in_fail(in, &err);
    take_all(in); /* lets go of what is held */
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    struct wr_connect_in *in = data_ptr;

    (void)ex;
    (void)aborted;
    wr_idle_cancel(&in->again);
    wr_timer_stop(&in->deadline);
    in->ops->on_close(in->data);
    wr_buf_done(&in->bytes);
    free(in);
}

void wr_connect_in_pause(struct wr_connect_in *in, bool paused)
{
    if (in->paused == paused || in->answered)
        return;
    in->paused = paused;
    if (paused)
        wr_exchange_pause(in->out.ex, true);
    else
        wr_idle_queue(wr_exchange_loop(in->out.ex), &in->again);
}

int wr_connect_receive(const struct wr_connect_call *call, const struct wr_connect_in_ops *ops,
                       void *data, struct wr_connect_in **ret, struct wr_error *err)
{
    static const struct wr_exchange_ops exchange_ops = {
        .on_body = on_body, .on_body_end = on_body_end, .on_close = on_close};
    struct wr_connect_in *in = wr_calloc(1, sizeof(*in));

    if (!in)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a new call");
    in->out = call->out;
    in->message = call->method->request;
    in->ops = ops;
    in->data = data;
    in->gzip = call->gzip;
    in->again = (struct wr_idle){.fn = on_idle, .data = in};
    wr_buf_init(&in->bytes, WR_CONNECT_MAX_MESSAGE + WR_CONNECT_HEADER_LEN + WR_HTTP_READ_SIZE);
    int rc = call->timeout_ms > 0 ? wr_timer_start(wr_exchange_loop(call->ex), &in->deadline,
                                                   call->timeout_ms, on_deadline, in, err)
                                  : 0;
    if (rc < 0) {
        free(in);
        return rc;
    }
    wr_exchange_set_ops(call->ex, &exchange_ops, in);
    *ret = in;
    return 0;
}
