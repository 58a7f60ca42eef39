#include "http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "json/jwrite.h"

/* A rest of a request body up to this size is read away to keep the connection; above it, closing
 * is cheaper. */
#define DROP_MAX         (64 * 1024)
/* Closing with unread input makes the kernel reset the connection, and the peer may lose the
 * response. */
#define LINGER_MAX       (1024 * 1024)
#define LINGER_MS        2000
/* Pipelined requests served in one run before the other connections get their turn. */
#define REQUESTS_PER_RUN 32

static void run(struct wr_server_conn *conn);
static void on_timer(struct wr_timer *timer, void *data);

/* Frees the last exchange that ended and remembers `ex` in its place. */
static void doom(struct wr_server_conn *conn, struct wr_exchange *ex)
{
    if (conn->doomed)
        wr_buf_done(&conn->doomed->collect.buf);
    free(conn->doomed);
    conn->doomed = ex;
}

static void free_conn(struct wr_server_conn *conn)
{
    doom(conn, NULL);
    wr_http_io_done(&conn->io);
    free(conn);
}

static void server_left(struct wr_http_server *server)
{
    server->count--;
    if (server->opts.on_gone)
        server->opts.on_gone(server->opts.data);
}

void wr_server_conn_release(struct wr_server_conn *conn)
{
    if (conn->dead)
        return;
    conn->dead = true;
    wr_timer_stop(&conn->timer);
    wr_http_io_close(&conn->io);
    wr_list_remove(&conn->link);
    server_left(wr_steal_ptr(&conn->server));
    if (conn->ex) {
        conn->ex->closed = true;
        doom(conn, wr_steal_ptr(&conn->ex));
    }
    if (!conn->busy)
        free_conn(conn);
}

/* Tells the handler that its exchange is over. The connection may be dead afterwards. */
static void end_exchange(struct wr_server_conn *conn, bool aborted)
{
    struct wr_exchange *ex = wr_steal_ptr(&conn->ex);

    if (!ex)
        return;
    ex->closed = true;
    if (ex->ops->on_close)
        ex->ops->on_close(ex, aborted, ex->data);
    doom(conn, ex);
}

void wr_server_conn_close(struct wr_server_conn *conn)
{
    if (conn->dead)
        return;
    bool busy = conn->busy;
    /* Held, so that nothing that on_close does frees the connection under us. */
    conn->busy = true;
    if (conn->phase == WR_CONN_EXCHANGE && conn->ex && conn->ex->state != WR_RESPONSE_NONE) {
        /* A response cut short must not look complete, even where only the end of the stream
         * delimits it. */
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    end_exchange(conn, true);
    conn->busy = busy;
    if (!conn->dead)
        wr_server_conn_release(conn);
    else if (!busy)
        free_conn(conn);
}

static void arm(struct wr_server_conn *conn, uint64_t delay_ms)
{
    struct wr_error err = {0};

    if (wr_timer_start(conn->io.loop, &conn->timer, delay_ms, on_timer, conn, &err) < 0)
        conn->cut = true;
}

static void enter_head(struct wr_server_conn *conn)
{
    conn->phase = WR_CONN_HEAD;
    conn->scanned = 0;
    conn->head_started = false;
    wr_buf_trim(&conn->io.in, 0);
    wr_buf_trim(&conn->io.out, 0);
    wr_list_remove(&conn->link);
    wr_list_append(&conn->server->conns, &conn->link);
    arm(conn, conn->server->opts.idle_timeout_ms);
}

static void enter_linger(struct wr_server_conn *conn)
{
    conn->phase = WR_CONN_LINGER;
    conn->dropped = 0;
    arm(conn, LINGER_MS);
}

/* Answers a request that has no exchange, or none any more, then closes. The answer to a HEAD has
 * no body. */
static void refuse(struct wr_server_conn *conn, int status, const char *why, bool head_request)
{
    const struct wr_http_server_opts *opts = &conn->server->opts;
    wr_auto_buf body = WR_BUF(1024);
    struct wr_buf *out = &conn->io.out;
    struct wr_jw w;

    if (opts->on_refused)
        opts->on_refused(status, why, opts->data);
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_ki64(&w, "code", status);
    wr_jw_kstr(&w, "message", why);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0 || wr_h1_write_status(out, status, NULL) < 0 ||
        wr_h1_write_header(out, "Content-Type", "application/json") < 0 ||
        wr_buf_printf(out, "Content-Length: %zu\r\nConnection: close\r\n\r\n", body.len) < 0 ||
        (!head_request && wr_buf_append(out, wr_buf_ptr(&body), body.len) < 0))
        conn->cut = true;
    enter_linger(conn);
}

/* Bad framing or a full server in the middle of an exchange: the handler hears of an abort, the
 * peer gets a reason if nothing was sent. */
static void fail_exchange(struct wr_server_conn *conn, int status, const char *why)
{
    if (conn->ex->state != WR_RESPONSE_NONE) {
        conn->cut = true;
        return;
    }
    bool head_request = wr_exchange_is(conn->ex, "HEAD");
    end_exchange(conn, true);
    if (!conn->dead)
        refuse(conn, status, why, head_request);
}

/* Whether parsing an unfinished head again can tell more: a line was finished, or there is twice as
 * much. So a sender of single bytes costs at most one scan per field line. */
static bool worth_parsing(const struct wr_server_conn *conn)
{
    const struct wr_buf *in = &conn->io.in;

    if (conn->scanned == 0 || in->len >= 2 * conn->scanned || in->len >= WR_HTTP_MAX_HEAD)
        return true;
    return memchr(wr_buf_ptr(in) + conn->scanned, '\n', in->len - conn->scanned) != NULL;
}

/* Nothing more can be read where more is needed: true when that is because the stream has ended. */
static bool peer_ended(struct wr_server_conn *conn)
{
    if (conn->eof)
        conn->cut = true;
    return conn->cut;
}

static bool step_head(struct wr_server_conn *conn)
{
    struct wr_h1_head head;
    struct wr_error err = {0};
    struct wr_buf *in = &conn->io.in;
    int status = 400;

    if (in->len == 0)
        return peer_ended(conn);
    if (!conn->head_started) {
        conn->head_started = true;
        arm(conn, conn->server->opts.head_timeout_ms);
    }
    if (conn->cut || !worth_parsing(conn))
        return conn->cut;
    ssize_t n = wr_h1_parse_request(wr_buf_ptr(in), in->len, &head, &status, &err);
    if (n == 0) {
        conn->scanned = in->len;
        return peer_ended(conn);
    }
    if (n < 0) {
        refuse(conn, status, err.msg, false);
        return true;
    }
    conn->ex = wr_exchange_new(conn, &head, (size_t)n);
    if (!conn->ex) {
        refuse(conn, 503, "out of memory", false);
        return true;
    }
    wr_buf_consume(in, (size_t)n);
    wr_h1_body_init(&conn->body, &head);
    wr_timer_stop(&conn->timer);
    conn->phase = WR_CONN_EXCHANGE;
    conn->server->opts.handler(conn->ex, conn->server->opts.data);
    return true;
}

/* One piece of the request body to the handler. */
static bool step_body(struct wr_server_conn *conn)
{
    struct wr_exchange *ex = conn->ex;
    struct wr_buf *in = &conn->io.in;
    struct wr_error err = {0};
    const char *data = NULL;
    size_t len = 0;

    if (conn->body.done) {
        if (ex->body_end_told)
            return false;
        ex->body_end_told = true;
        wr_buf_trim(in, 0);
        if (ex->ops->on_body_end)
            ex->ops->on_body_end(ex, ex->data);
        return true;
    }
    if (in->len == 0) {
        if (ex->expect_pending && ex->state == WR_RESPONSE_NONE) {
            ex->expect_pending = false;
            if (wr_buf_append_str(&conn->io.out, "HTTP/1.1 100 Continue\r\n\r\n") < 0)
                conn->cut = true;
        }
        return peer_ended(conn);
    }
    ex->expect_pending = false;
    ssize_t n = wr_h1_body_decode(&conn->body, wr_buf_ptr(in), in->len, &data, &len, &err);
    if (n < 0) {
        fail_exchange(conn, 400, err.msg);
        return true;
    }
    /* Before the callback: it may hand the rest of the buffer over. The bytes themselves stay until
     * the next read. */
    wr_buf_consume(in, (size_t)n);
    if (len > 0 && ex->ops->on_body)
        ex->ops->on_body(ex, data, len, ex->data);
    return true;
}

/* The response is out. */
static void finish(struct wr_server_conn *conn)
{
    bool keep = conn->ex->keep && !conn->ex->expect_pending;

    end_exchange(conn, false);
    if (conn->dead)
        return;
    if (!keep) {
        enter_linger(conn);
    } else if (conn->body.done) {
        enter_head(conn);
    } else {
        conn->phase = WR_CONN_DROP;
        conn->dropped = 0;
        arm(conn, conn->server->opts.head_timeout_ms);
    }
}

static bool step_exchange(struct wr_server_conn *conn)
{
    if (!conn->ex->paused && conn->ex->state != WR_RESPONSE_ENDED && step_body(conn))
        return true;
    if (wr_http_io_flush(&conn->io) < 0) {
        conn->cut = true;
        return true;
    }
    if (conn->ex->state == WR_RESPONSE_ENDED && conn->io.out.len == 0) {
        finish(conn);
        return true;
    }
    if (!conn->drained && wr_http_io_take_drain(&conn->io)) {
        conn->drained = true;
        if (conn->ex->state == WR_RESPONSE_STREAM && conn->ex->ops->on_drain)
            conn->ex->ops->on_drain(conn->ex, conn->ex->data);
        return true;
    }
    return false;
}

static bool step_drop(struct wr_server_conn *conn)
{
    struct wr_buf *in = &conn->io.in;
    struct wr_error err = {0};
    const char *data = NULL;
    size_t len = 0;

    if (conn->body.done) {
        enter_head(conn);
        return true;
    }
    if (in->len == 0)
        return peer_ended(conn);
    ssize_t n = wr_h1_body_decode(&conn->body, wr_buf_ptr(in), in->len, &data, &len, &err);
    if (n < 0) {
        enter_linger(conn);
        return true;
    }
    wr_buf_consume(in, (size_t)n);
    conn->dropped += (size_t)n;
    if (conn->dropped > DROP_MAX)
        enter_linger(conn);
    return true;
}

static bool step_linger(struct wr_server_conn *conn)
{
    conn->dropped += conn->io.in.len;
    wr_buf_clear(&conn->io.in);
    if (conn->dropped > LINGER_MAX || wr_http_io_flush(&conn->io) < 0) {
        conn->cut = true;
        return true;
    }
    if (conn->io.out.len == 0 && !conn->shut) {
        conn->shut = true;
        wr_buf_done(&conn->io.in);
        (void)shutdown(conn->io.fd, SHUT_WR);
    }
    return conn->io.out.len == 0 && peer_ended(conn);
}

static bool step(struct wr_server_conn *conn)
{
    if (conn->cut) {
        wr_server_conn_close(conn);
        return false;
    }
    switch (conn->phase) {
    case WR_CONN_HEAD:
        return step_head(conn);
    case WR_CONN_EXCHANGE:
        return step_exchange(conn);
    case WR_CONN_DROP:
        return step_drop(conn);
    case WR_CONN_LINGER:
        return step_linger(conn);
    }
    return false;
}

/* Whether the end of the peer's stream has to be heard of at once: it ends an exchange that has not
 * given its whole response. Also between exchanges, where it changes nothing, because the mask of
 * the source then stays the same. */
static bool watches_eof(const struct wr_server_conn *conn)
{
    return conn->server->opts.eof_aborts && !conn->eof &&
           (conn->phase != WR_CONN_EXCHANGE || conn->ex->state != WR_RESPONSE_ENDED);
}

/* While a response is under way the socket is not read: a pipelined request waits there, and so
 * does the end of a half-closed stream. A peer that is really gone shows by EPOLLHUP, EPOLLERR or a
 * failing write. */
static bool wants_input(const struct wr_server_conn *conn)
{
    if (conn->eof)
        return false;
    if (conn->phase != WR_CONN_EXCHANGE)
        return conn->io.in.len < WR_HTTP_MAX_HEAD;
    return !conn->body.done && !conn->ex->paused && conn->io.in.len == 0 &&
           conn->ex->state != WR_RESPONSE_ENDED;
}

/* The input is taken from the mask only when it has become ready although nobody wants it: with a
 * peer that waits for its response before it asks again, that is never, and each request saves two
 * system calls. */
static uint32_t wanted_events(struct wr_server_conn *conn)
{
    uint32_t events = conn->io.out.len > 0 ? (uint32_t)EPOLLOUT : 0u;

    if (wants_input(conn)) {
        conn->surplus = false;
        events |= (uint32_t)EPOLLIN;
    } else if (!conn->surplus) {
        events |= conn->io.source.events & (uint32_t)EPOLLIN;
    }
    if (watches_eof(conn))
        events |= (uint32_t)EPOLLRDHUP;
    return events;
}

/* Whether an exchange cannot go on before the peer takes or sends bytes. A body that rests between
 * two chunks is a stream that is silent, and so is a response that has nothing to say. */
static bool waits_for_peer(const struct wr_server_conn *conn)
{
    if (conn->phase != WR_CONN_EXCHANGE)
        return false;
    return conn->io.out.len > 0 || (wants_input(conn) && wr_h1_body_inside(&conn->body));
}

/* The timer is not moved with every byte: it looks, when it is due, at how long nothing has moved.
 */
static void watch_progress(struct wr_server_conn *conn)
{
    bool waits = waits_for_peer(conn);

    if (!waits || conn->io.moved != conn->moved_seen) {
        conn->moved_seen = conn->io.moved;
        conn->moved_ms = wr_loop_now_ms(conn->io.loop);
    }
    if (waits && !conn->timer.loop)
        arm(conn, conn->server->opts.stall_timeout_ms);
}

static void on_stall_timer(struct wr_server_conn *conn)
{
    uint64_t quiet_ms = wr_loop_now_ms(conn->io.loop) - conn->moved_ms;
    uint64_t limit_ms = conn->server->opts.stall_timeout_ms;

    if (!waits_for_peer(conn))
        return;
    if (quiet_ms >= limit_ms)
        conn->cut = true;
    else
        arm(conn, limit_ms - quiet_ms);
}

static void run(struct wr_server_conn *conn)
{
    unsigned requests = 0;
    bool more = true;

    conn->busy = true;
    conn->drained = false;
    conn->io.round_bytes = 0;
    while (more && !conn->dead && requests < REQUESTS_PER_RUN) {
        requests += conn->phase == WR_CONN_HEAD;
        more = step(conn);
    }
    conn->busy = false;
    if (conn->dead) {
        free_conn(conn);
        return;
    }
    doom(conn, NULL);
    wr_http_io_trim_input(&conn->io);
    if (more || (conn->io.want_drain && conn->io.out.len < WR_HTTP_OUT_LOW))
        wr_http_io_kick(&conn->io);
    wr_source_set_events(&conn->io.source, wanted_events(conn));
    watch_progress(conn);
}

static void on_kick(struct wr_timer *timer, void *data)
{
    (void)timer;
    run(data);
}

static void on_timer(struct wr_timer *timer, void *data)
{
    struct wr_server_conn *conn = data;

    (void)timer;
    if (conn->phase == WR_CONN_EXCHANGE)
        on_stall_timer(conn);
    else if (conn->phase == WR_CONN_HEAD && conn->head_started)
        refuse(conn, 408, "the request head took too long", false);
    else if (conn->phase == WR_CONN_HEAD)
        enter_linger(conn);
    else
        conn->cut = true;
    run(conn);
}

static void on_event(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_server_conn *conn = data;
    bool gone = (events & EPOLLRDHUP) != 0 && watches_eof(conn);

    (void)source;
    if (events & EPOLLOUT)
        conn->io.blocked = false;
    if ((events & (EPOLLERR | EPOLLHUP)) || (gone && conn->phase == WR_CONN_EXCHANGE)) {
        conn->cut = true;
    } else if ((events & EPOLLIN) && !wants_input(conn)) {
        conn->surplus = true;
    } else if (events & EPOLLIN) {
        ssize_t n = wr_http_io_fill(&conn->io);
        conn->eof = n == 0;
        if (n < 0 && n != -EAGAIN)
            conn->cut = true;
        /* What was not worth parsing before is worth it now. */
        if (n == 0 && conn->phase == WR_CONN_HEAD)
            conn->scanned = 0;
    }
    run(conn);
}

int wr_server_conn_new(struct wr_http_server *server, int fd, struct wr_error *err)
{
    struct wr_server_conn *conn = wr_calloc(1, sizeof(*conn));

    if (!conn) {
        (void)close(fd);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new connection");
    }
    int r = wr_http_io_init(&conn->io, server->loop, fd, on_event, on_kick, conn, err);
    if (r < 0) {
        free_conn(conn);
        return r;
    }
    conn->server = server;
    wr_list_append(&server->conns, &conn->link);
    server->count++;
    enter_head(conn);
    if (conn->cut) {
        wr_server_conn_release(conn);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new connection");
    }
    return 0;
}
