/* What users of a call use. Nothing here calls back; see client.c. */
#include <errno.h>

#include "base/str.h"
#include "http/client_conn.h"

int wr_http_call_begin(struct wr_http_conn *conn, const char *method, const char *target,
                       const struct wr_http_call_ops *ops, void *data, struct wr_http_call **ret,
                       struct wr_error *err)
{
    if (!wr_http_conn_idle(conn))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the HTTP connection is busy or closed: take another one");
    int r = wr_h1_write_request(&conn->io.out, method, target);
    if (r < 0)
        return wr_fail(err, r == -EINVAL ? WR_E_INVALID_ARGUMENT : WR_E_RESOURCE_EXHAUSTED, -r,
                       "cannot send the request %s %.60s", method, target);
    conn->call = (struct wr_http_call){
        .conn = conn,
        .ops = ops,
        .data = data,
        .head_request = wr_streq(method, "HEAD"),
        .sent_before = conn->io.sent,
        .body_expected =
            wr_streq(method, "POST") || wr_streq(method, "PUT") || wr_streq(method, "PATCH"),
    };
    conn->active = true;
    conn->scanned = 0;
    *ret = &conn->call;
    return 0;
}

static bool in_state(struct wr_http_call *call, enum wr_request_state state)
{
    struct wr_http_conn *conn = call->conn;

    if (!conn->active || conn->failed)
        return false;
    if (call->state != state)
        wr_http_conn_fail(conn, WR_E_INTERNAL, 0,
                          "a function of an HTTP call was used out of order");
    return call->state == state;
}

static bool worked(struct wr_http_call *call, int r)
{
    if (r == -EPIPE || r == -ECONNRESET) {
        /* The peer may have answered before it stopped reading. */
        call->conn->write_broken = true;
        wr_http_io_kick(&call->conn->io);
    } else if (r < 0) {
        wr_http_conn_fail(call->conn,
                          r == -EINVAL || r == -EMSGSIZE ? WR_E_INVALID_ARGUMENT : WR_E_UNAVAILABLE,
                          -r, "cannot write the request");
    }
    return r >= 0;
}

void wr_http_call_header_n(struct wr_http_call *call, const char *name, size_t name_len,
                           const char *value, size_t value_len)
{
    if (!in_state(call, WR_REQUEST_HEAD))
        return;
    /* Framing is this layer's alone, so that a proxy may pass on whatever it got. */
    if (wr_memcaseeq(name, name_len, "Content-Length", 14) ||
        wr_memcaseeq(name, name_len, "Transfer-Encoding", 17))
        return;
    if (wr_memcaseeq(name, name_len, "Connection", 10) &&
        wr_memcaseeq(value, value_len, "close", 5))
        call->conn->unusable = true;
    (void)worked(call, wr_h1_write_header_n(&call->conn->io.out, name, name_len, value, value_len));
}

void wr_http_call_header(struct wr_http_call *call, const char *name, const char *value)
{
    wr_http_call_header_n(call, name, strlen(name), value, strlen(value));
}

static bool end_head(struct wr_http_call *call, bool framed, int64_t content_length)
{
    struct wr_http_io *io = &call->conn->io;
    int r = framed ? wr_http_sender_start(io, &call->sender, content_length, false) : 0;

    if (r == 0)
        r = wr_h1_write_end(&io->out);
    wr_http_io_kick(io);
    return worked(call, r);
}

void wr_http_call_send(struct wr_http_call *call, const void *body, size_t len)
{
    if (!in_state(call, WR_REQUEST_HEAD) ||
        !end_head(call, len > 0 || call->body_expected, (int64_t)len))
        return;
    call->state = WR_REQUEST_ENDED;
    (void)worked(call, wr_http_send_whole(&call->conn->io, body, len));
}

void wr_http_call_stream(struct wr_http_call *call, int64_t content_length)
{
    if (in_state(call, WR_REQUEST_HEAD) && end_head(call, true, content_length))
        call->state = WR_REQUEST_STREAM;
}

enum wr_http_flow wr_http_call_write(struct wr_http_call *call, const void *data, size_t len)
{
    struct wr_http_io *io = &call->conn->io;

    if (!in_state(call, WR_REQUEST_STREAM) || call->conn->write_broken ||
        !worked(call, wr_http_sender_write(io, &call->sender, data, len)))
        return WR_HTTP_GONE;
    return wr_http_io_full(io) ? WR_HTTP_FULL : WR_HTTP_MORE;
}

void wr_http_call_end(struct wr_http_call *call)
{
    if (!in_state(call, WR_REQUEST_STREAM))
        return;
    call->state = WR_REQUEST_ENDED;
    if (call->conn->write_broken)
        return;
    (void)worked(call, wr_http_sender_end(&call->conn->io, &call->sender));
    wr_http_io_kick(&call->conn->io);
}

bool wr_http_call_sent(const struct wr_http_call *call)
{
    return call->conn->io.sent != call->sent_before;
}

bool wr_http_call_heard(const struct wr_http_call *call)
{
    return call->heard;
}

bool wr_http_call_arrived(const struct wr_http_call *call)
{
    const struct wr_h1_body *body = &call->body;

    return body->done ||
           (body->framing == WR_H1_BODY_LENGTH && body->remaining <= call->conn->io.in.len);
}

void wr_http_call_pause(struct wr_http_call *call, bool paused)
{
    call->paused = paused;
    if (call->conn->active)
        wr_http_io_kick(&call->conn->io);
}

void wr_http_call_cancel(struct wr_http_call *call)
{
    struct wr_http_conn *conn = call->conn;

    if (!conn->active)
        return;
    conn->active = false;
    conn->unusable = true;
    wr_http_io_close(&conn->io);
}

int wr_http_call_hijack(struct wr_http_call *call, struct wr_buf *ret_rest, struct wr_buf *ret_out)
{
    struct wr_http_conn *conn = call->conn;

    if (!conn->active || !call->switched || conn->failed)
        return -ENOTCONN;
    int fd = wr_http_io_hand_over(&conn->io, ret_rest, ret_out);
    if (fd < 0)
        return fd;
    conn->active = false;
    (void)wr_http_conn_free(conn);
    return fd;
}
