#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "http/client_conn.h"

/*
 * As on the server side, only run() calls callbacks and only the loop calls run(); the functions of
 * a call change state and ask for a run. The one exception is wr_http_conn_free(), which ends a
 * running call at once.
 */

static void on_event(struct wr_source *source, uint32_t events, void *data);

static void free_now(struct wr_http_conn *conn)
{
    wr_http_io_done(&conn->io);
    free(conn);
}

void wr_http_conn_fail(struct wr_http_conn *conn, enum wr_code code, int os_errno, const char *what)
{
    if (!conn->failed)
        (void)wr_fail(&conn->err, code, os_errno, "%s", what);
    conn->failed = true;
    wr_http_io_kick(&conn->io);
}

/* Ends the running call; the connection may be dead or busy with the next call afterwards. */
static void end_call(struct wr_http_conn *conn, const struct wr_error *err)
{
    const struct wr_http_call_ops *ops = conn->call.ops;

    conn->active = false;
    if (conn->unusable)
        wr_http_io_close(&conn->io);
    if (ops->on_end)
        ops->on_end(&conn->call, err, conn->call.data);
}

static void lose(struct wr_http_conn *conn)
{
    conn->unusable = true;
    wr_http_io_close(&conn->io);
    if (conn->on_lost)
        conn->on_lost(conn, conn->lost_data);
}

static void complete(struct wr_http_conn *conn)
{
    if (conn->call.state != WR_REQUEST_ENDED || conn->io.out.len > 0 || conn->io.in.len > 0 ||
        conn->eof || conn->write_broken)
        conn->unusable = true;
    wr_buf_trim(&conn->io.in, 0);
    wr_buf_trim(&conn->io.out, 0);
    end_call(conn, NULL);
}

static void tell_failure(struct wr_http_conn *conn)
{
    const struct wr_error err = conn->err;

    conn->unusable = true;
    end_call(conn, &err);
}

/* See conn.c: a peer that sends single bytes costs one scan per field line. */
static bool worth_parsing(const struct wr_http_conn *conn)
{
    const struct wr_buf *in = &conn->io.in;

    if (conn->scanned == 0 || in->len >= 2 * conn->scanned || in->len >= WR_HTTP_MAX_HEAD)
        return true;
    return memchr(wr_buf_ptr(in) + conn->scanned, '\n', in->len - conn->scanned) != NULL;
}

static void closed_early(struct wr_http_conn *conn)
{
    wr_http_conn_fail(conn, WR_E_UNAVAILABLE, 0,
                      conn->call.head_told
                          ? "the peer closed the connection in the middle of its response"
                          : "the peer closed the connection without a response");
}

static bool step_head(struct wr_http_conn *conn)
{
    struct wr_http_call *call = &conn->call;
    struct wr_buf *in = &conn->io.in;
    struct wr_h1_head head;

    ssize_t n = 0;
    if (in->len > 0 && worth_parsing(conn)) {
        n = wr_h1_parse_response(wr_buf_ptr(in), in->len, call->head_request, &head, &conn->err);
        conn->scanned = in->len;
    }
    if (n < 0) {
        conn->err.code = WR_E_UNAVAILABLE;
        conn->failed = true;
        return true;
    }
    if (n == 0) {
        if (conn->eof)
            closed_early(conn);
        return conn->eof;
    }
    conn->scanned = 0;
    /* The bytes stay where they are until the next read, so the callback may still look at them. */
    wr_buf_consume(in, (size_t)n);
    if (head.status < 200 && head.status != 101)
        return true;
    call->head_told = true;
    call->switched = head.status == 101;
    wr_h1_body_init(&call->body, &head);
    if (!head.keep_alive || call->switched)
        conn->unusable = true;
    if (call->ops->on_head)
        call->ops->on_head(call, &head, call->data);
    return true;
}

static bool step_body(struct wr_http_conn *conn)
{
    struct wr_http_call *call = &conn->call;
    struct wr_buf *in = &conn->io.in;
    const char *data = NULL;
    size_t len = 0;

    if (call->body.done) {
        complete(conn);
        return true;
    }
    if (in->len == 0) {
        if (conn->eof && call->body.framing == WR_H1_BODY_UNTIL_CLOSE)
            call->body.done = true;
        else if (conn->eof)
            closed_early(conn);
        return conn->eof;
    }
    ssize_t n = wr_h1_body_decode(&call->body, wr_buf_ptr(in), in->len, &data, &len, &conn->err);
    if (n < 0) {
        conn->err.code = WR_E_UNAVAILABLE;
        conn->failed = true;
        return true;
    }
    wr_buf_consume(in, (size_t)n);
    if (len > 0 && call->ops->on_body)
        call->ops->on_body(call, data, len, call->data);
    return true;
}

static void flush(struct wr_http_conn *conn)
{
    if (!conn->write_broken && wr_http_io_flush(&conn->io) < 0)
        conn->write_broken = true;
    if (conn->write_broken)
        wr_buf_done(&conn->io.out);
}

static bool step(struct wr_http_conn *conn)
{
    struct wr_http_call *call = &conn->call;

    if (conn->io.fd < 0)
        return false;
    if (!conn->active) {
        if (conn->io.in.len > 0 || conn->eof)
            lose(conn);
        return false;
    }
    if (conn->failed) {
        tell_failure(conn);
        return false;
    }
    flush(conn);
    if (!conn->drained && wr_http_io_take_drain(&conn->io)) {
        conn->drained = true;
        if (call->state == WR_REQUEST_STREAM && call->ops->on_drain)
            call->ops->on_drain(call, call->data);
        return true;
    }
    if (call->paused)
        return false;
    if (call->switched) {
        /* Nobody has taken the socket over yet. */
        if (conn->eof)
            closed_early(conn);
        return conn->eof;
    }
    return call->head_told ? step_body(conn) : step_head(conn);
}

static bool wants_input(const struct wr_http_conn *conn)
{
    const struct wr_http_call *call = &conn->call;

    if (!conn->active)
        return true;
    if (call->paused || conn->eof || call->switched)
        return false;
    return call->head_told ? conn->io.in.len == 0 && !call->body.done
                           : conn->io.in.len < WR_HTTP_MAX_HEAD;
}

static void update_events(struct wr_http_conn *conn)
{
    uint32_t events = (wants_input(conn) ? (uint32_t)EPOLLIN : 0u) |
                      (conn->io.out.len > 0 ? (uint32_t)EPOLLOUT : 0u);

    if (!conn->detached) {
        wr_source_set_events(&conn->io.source, events);
    } else if (wants_input(conn)) {
        conn->detached = false;
        if (wr_source_add(conn->io.loop, &conn->io.source, conn->io.fd, events, on_event, conn,
                          &conn->err) < 0)
            wr_http_conn_fail(conn, WR_E_RESOURCE_EXHAUSTED, 0, "cannot read the connection again");
    }
}

static void run(struct wr_http_conn *conn)
{
    conn->busy = true;
    conn->drained = false;
    conn->io.round_bytes = 0;
    while (!conn->dead && step(conn)) {
    }
    conn->busy = false;
    if (conn->dead) {
        free_now(conn);
        return;
    }
    wr_http_io_trim_input(&conn->io);
    if (conn->io.fd < 0)
        return;
    if (conn->io.want_drain && conn->io.out.len < WR_HTTP_OUT_LOW)
        wr_http_io_kick(&conn->io);
    update_events(conn);
}

static void on_kick(struct wr_timer *timer, void *data)
{
    (void)timer;
    run(data);
}

static void receive(struct wr_http_conn *conn, bool hung_up)
{
    ssize_t n = wr_http_io_fill(&conn->io);

    conn->call.heard = conn->call.heard || n > 0;
    if (n == 0)
        conn->eof = true;
    else if (n < 0 && n != -EAGAIN)
        wr_http_conn_fail(conn, WR_E_UNAVAILABLE, (int)-n, "the connection failed");
    else if (n < 0 && hung_up)
        conn->eof = true;
}

static void on_event(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_http_conn *conn = data;
    bool hung_up = (events & (EPOLLERR | EPOLLHUP)) != 0;

    if (events & EPOLLOUT)
        conn->io.blocked = false;
    if (wants_input(conn)) {
        if (hung_up || (events & EPOLLIN))
            receive(conn, hung_up);
    } else if (hung_up) {
        /* What the peer sent before waits in the socket until the call goes on. */
        wr_source_remove(source);
        conn->detached = true;
        conn->write_broken = true;
        if (conn->call.switched || conn->eof)
            closed_early(conn);
    }
    run(conn);
}

int wr_http_conn_new(struct wr_loop *loop, int fd, const struct sockaddr *address,
                     unsigned address_len, struct wr_http_conn **ret, struct wr_error *err)
{
    wr_auto_close int owned = fd;
    struct wr_http_conn *conn = wr_calloc(1, sizeof(*conn));

    if (!conn)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new HTTP connection");
    if (address && connect(fd, address, address_len) < 0 && errno != EINPROGRESS) {
        int r = wr_fail_errno(err, WR_E_UNAVAILABLE, "cannot connect");
        free(conn);
        return r;
    }
    int r = wr_http_io_init(&conn->io, loop, wr_steal_fd(&owned), on_event, on_kick, conn, err);
    if (r < 0) {
        free(conn);
        return r;
    }
    conn->call.conn = conn;
    *ret = conn;
    return 0;
}

struct wr_http_conn *wr_http_conn_free(struct wr_http_conn *conn)
{
    if (!conn || conn->dead)
        return NULL;
    conn->dead = true;
    conn->unusable = true;
    bool busy = conn->busy;
    conn->busy = true;
    wr_http_io_close(&conn->io);
    if (conn->active) {
        struct wr_error err = {0};
        (void)wr_fail(&err, WR_E_CANCELED, 0, "the connection was closed");
        end_call(conn, &err);
    }
    if (!busy)
        free_now(conn);
    return NULL;
}

bool wr_http_conn_idle(const struct wr_http_conn *conn)
{
    return !conn->active && !conn->unusable && !conn->eof && !conn->failed;
}

void wr_http_conn_wipe_sent(struct wr_http_conn *conn)
{
    conn->io.out.wipe = true;
}

void wr_http_conn_on_lost(struct wr_http_conn *conn,
                          void (*fn)(struct wr_http_conn *conn, void *data), void *data)
{
    conn->on_lost = fn;
    conn->lost_data = data;
}
