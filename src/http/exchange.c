/* What handlers call. Nothing here calls back or touches the connection's phase; see conn.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/str.h"
#include "http/conn.h"
#include "http/uri.h"

/* A rest of the request body above this is not worth reading to keep the connection. */
#define KEEP_BODY_MAX (64 * 1024)

/* Makes the pointers of a parsed head point to a copy of the parsed bytes. */
static void rebase(struct wr_h1_head *head, const char *from, const char *to)
{
    head->method = to + (head->method - from);
    head->target = to + (head->target - from);
    for (size_t i = 0; i < head->header_count; i++) {
        head->headers[i].name = to + (head->headers[i].name - from);
        head->headers[i].value = to + (head->headers[i].value - from);
    }
}

static void set_path(struct wr_exchange *ex, char *path, size_t cap)
{
    const struct wr_h1_head *head = &ex->head;
    struct wr_error ignored = {0};

    ex->path = path;
    ex->query = head->target + head->target_len;
    /* A path that cannot be decoded becomes "", which no route matches; a proxying handler uses the
     * raw target. */
    if (wr_uri_split(head->target, head->target_len, path, cap, &ex->query, &ex->query_len,
                     &ignored) < 0)
        path[0] = '\0';
}

struct wr_exchange *wr_exchange_new(struct wr_server_conn *conn, const struct wr_h1_head *head,
                                    size_t head_len)
{
    static const struct wr_exchange_ops no_ops;
    size_t path_cap = head->target_len + 2;
    struct wr_exchange *ex = malloc(sizeof(*ex) + head_len + path_cap);

    if (!ex)
        return NULL;
    /* Not the table of fields: clearing 3 KiB per request is waste. */
    memset(ex, 0, offsetof(struct wr_exchange, head));
    memcpy(&ex->head, head, offsetof(struct wr_h1_head, headers));
    memcpy(ex->head.headers, head->headers, head->header_count * sizeof(head->headers[0]));
    memcpy(&ex->head.header_count, &head->header_count,
           sizeof(*head) - offsetof(struct wr_h1_head, header_count));
    memcpy(ex->bytes, wr_buf_ptr(&conn->io.in), head_len);
    rebase(&ex->head, wr_buf_ptr(&conn->io.in), ex->bytes);
    set_path(ex, ex->bytes + head_len, path_cap);
    ex->conn = conn;
    ex->ops = &no_ops;
    ex->expect_pending =
        head->expect_continue && (head->framing == WR_H1_BODY_CHUNKED || head->content_length > 0);
    return ex;
}

const struct wr_h1_head *wr_exchange_head(const struct wr_exchange *ex)
{
    return &ex->head;
}

bool wr_exchange_is(const struct wr_exchange *ex, const char *method)
{
    return ex->head.method_len == strlen(method) &&
           memcmp(ex->head.method, method, ex->head.method_len) == 0;
}

const char *wr_exchange_path(const struct wr_exchange *ex)
{
    return ex->path;
}

int wr_exchange_query(const struct wr_exchange *ex, const char *name, char *out, size_t cap,
                      struct wr_error *err)
{
    return wr_uri_query_get(ex->query, ex->query_len, name, out, cap, err);
}

struct wr_loop *wr_exchange_loop(const struct wr_exchange *ex)
{
    return ex->conn->io.loop;
}

void wr_exchange_set_tag(struct wr_exchange *ex, uint64_t tag)
{
    ex->tag = tag;
}

uint64_t wr_exchange_tag(const struct wr_exchange *ex)
{
    return ex->tag;
}

int wr_exchange_status(const struct wr_exchange *ex)
{
    return ex->status;
}

void wr_exchange_set_ops(struct wr_exchange *ex, const struct wr_exchange_ops *ops, void *data_ptr)
{
    ex->ops = ops;
    ex->data = data_ptr;
}

void wr_exchange_pause(struct wr_exchange *ex, bool paused)
{
    ex->paused = paused;
    if (!ex->closed)
        wr_http_io_kick(&ex->conn->io);
}

void wr_exchange_abort(struct wr_exchange *ex)
{
    if (ex->closed)
        return;
    ex->conn->cut = true;
    wr_http_io_kick(&ex->conn->io);
}

/* False when the exchange is over or the call is out of order, which cuts the connection. */
static bool in_state(struct wr_exchange *ex, enum wr_response_state state)
{
    if (ex->closed || ex->conn->cut)
        return false;
    if (ex->state != state)
        wr_exchange_abort(ex);
    return ex->state == state;
}

/* True when `r` is no error; an error cuts the connection. */
static bool worked(struct wr_exchange *ex, int r)
{
    if (r < 0)
        wr_exchange_abort(ex);
    return r >= 0;
}

void wr_exchange_begin(struct wr_exchange *ex, int status)
{
    if (!in_state(ex, WR_RESPONSE_NONE))
        return;
    ex->state = WR_RESPONSE_HEAD;
    ex->status = status;
    ex->keep = ex->head.keep_alive;
    const struct wr_http_server *server = ex->conn->server;
    if (worked(ex, wr_h1_write_status(&ex->conn->io.out, status, NULL)) && status >= 200 &&
        server && server->opts.on_begin)
        server->opts.on_begin(ex, server->opts.data);
}

void wr_exchange_header_n(struct wr_exchange *ex, const char *name, size_t name_len,
                          const char *value, size_t value_len)
{
    if (!in_state(ex, WR_RESPONSE_HEAD))
        return;
    /* Framing is this layer's alone, so that a proxying handler may pass on whatever it got. */
    if (wr_memcaseeq(name, name_len, "Content-Length", 14) ||
        wr_memcaseeq(name, name_len, "Transfer-Encoding", 17))
        return;
    if (wr_memcaseeq(name, name_len, "Connection", 10)) {
        ex->connection_given = true;
        if (wr_memcaseeq(value, value_len, "close", 5))
            ex->keep = false;
    }
    (void)worked(ex, wr_h1_write_header_n(&ex->conn->io.out, name, name_len, value, value_len));
}

void wr_exchange_header(struct wr_exchange *ex, const char *name, const char *value)
{
    wr_exchange_header_n(ex, name, strlen(name), value, strlen(value));
}

static bool bodyless(const struct wr_exchange *ex)
{
    return ex->status < 200 || ex->status == 204 || ex->status == 304;
}

/* Whether the rest of the request body is too much to be read away after the response. */
static bool body_rest_is_large(const struct wr_exchange *ex)
{
    const struct wr_h1_body *body = &ex->conn->body;

    return !body->done && body->framing == WR_H1_BODY_LENGTH && body->remaining > KEEP_BODY_MAX;
}

/* Connection field, framing field and blank line. */
static bool end_head(struct wr_exchange *ex, int64_t content_length)
{
    struct wr_http_io *io = &ex->conn->io;
    bool old = ex->head.minor_version == 0;
    int r = 0;

    if (ex->expect_pending || (old && content_length < 0 && !bodyless(ex)))
        ex->keep = false;
    if (body_rest_is_large(ex) && ex->paused)
        ex->keep = false;
    ex->sender.mute = bodyless(ex) || wr_exchange_is(ex, "HEAD");
    if (!bodyless(ex))
        r = wr_http_sender_start(io, &ex->sender, content_length, old);
    if (r == 0 && !ex->connection_given && !ex->keep)
        r = wr_h1_write_header(&io->out, "Connection", "close");
    else if (r == 0 && !ex->connection_given && old)
        r = wr_h1_write_header(&io->out, "Connection", "keep-alive");
    if (r == 0)
        r = wr_h1_write_end(&io->out);
    wr_http_io_kick(io);
    return worked(ex, r);
}

static void end_response(struct wr_exchange *ex)
{
    ex->state = WR_RESPONSE_ENDED;
    if (ex->status < 200 || body_rest_is_large(ex))
        ex->keep = false;
    wr_http_io_kick(&ex->conn->io);
}

void wr_exchange_send(struct wr_exchange *ex, const void *body, size_t len)
{
    if (!in_state(ex, WR_RESPONSE_HEAD))
        return;
    /* Known already, so the peer may be told. */
    if (body_rest_is_large(ex))
        ex->keep = false;
    if (!end_head(ex, (int64_t)len))
        return;
    if (!ex->sender.mute && !worked(ex, wr_http_send_whole(&ex->conn->io, body, len)))
        return;
    end_response(ex);
}

void wr_exchange_stream(struct wr_exchange *ex, int64_t content_length)
{
    if (!in_state(ex, WR_RESPONSE_HEAD) || !end_head(ex, content_length))
        return;
    ex->state = WR_RESPONSE_STREAM;
}

enum wr_http_flow wr_exchange_write(struct wr_exchange *ex, const void *data, size_t len)
{
    struct wr_http_io *io = &ex->conn->io;

    if (!in_state(ex, WR_RESPONSE_STREAM))
        return WR_HTTP_GONE;
    if (!bodyless(ex) && !worked(ex, wr_http_sender_write(io, &ex->sender, data, len)))
        return WR_HTTP_GONE;
    return wr_http_io_full(io) ? WR_HTTP_FULL : WR_HTTP_MORE;
}

size_t wr_exchange_unsent(const struct wr_exchange *ex)
{
    return ex->conn->io.out.len;
}

void wr_exchange_end(struct wr_exchange *ex)
{
    if (!in_state(ex, WR_RESPONSE_STREAM))
        return;
    if (worked(ex, wr_http_sender_end(&ex->conn->io, &ex->sender)))
        end_response(ex);
}

bool wr_exchange_has_room(const struct wr_exchange *ex, size_t len)
{
    struct wr_http_server *server = ex->conn->server;
    size_t waiting = 0;

    if (len <= WR_HTTP_OUT_MAX || ex->closed || !server)
        return true;
    do {
        waiting = 0;
        wr_list_foreach(it, &server->conns)
            waiting += wr_list_entry(it, struct wr_server_conn, link)->io.out.len;
    } while (waiting + len > WR_HTTP_OUT_ALL && wr_http_server_close_slow(server));
    return waiting + len <= WR_HTTP_OUT_ALL;
}

void wr_exchange_reply(struct wr_exchange *ex, int status, const char *content_type,
                       const void *body, size_t len)
{
    wr_exchange_begin(ex, status);
    if (len > 0)
        wr_exchange_header(ex, "Content-Type", content_type);
    wr_exchange_send(ex, body, len);
}

int wr_exchange_hijack(struct wr_exchange *ex, struct wr_buf *ret_rest, struct wr_buf *ret_out)
{
    struct wr_server_conn *conn = ex->conn;

    if (ex->closed || conn->cut)
        return -ENOTCONN;
    if (ex->state == WR_RESPONSE_HEAD) {
        int r = wr_h1_write_end(&conn->io.out);
        if (r < 0)
            return r;
        ex->state = WR_RESPONSE_ENDED;
    }
    int fd = wr_http_io_hand_over(&conn->io, ret_rest, ret_out);
    if (fd >= 0)
        wr_server_conn_release(conn);
    return fd;
}

static void too_large(struct wr_exchange *ex)
{
    static const char text[] = "{\"code\":413,\"message\":\"the request body is too large\"}";

    wr_buf_done(&ex->collect.buf);
    ex->collect.fn = NULL;
    if (ex->state == WR_RESPONSE_NONE)
        wr_exchange_reply(ex, 413, "application/json", text, sizeof(text) - 1);
}

static void collect_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    (void)data_ptr;
    if (!ex->collect.fn)
        return;
    int r = wr_buf_append(&ex->collect.buf, data, len);
    if (r == -ENOBUFS)
        too_large(ex);
    else
        (void)worked(ex, r);
}

static void collect_end(struct wr_exchange *ex, void *data_ptr)
{
    /* The handler may replace ops and data from here on, so the body leaves the exchange first. */
    wr_auto_buf body = ex->collect.buf;

    ex->collect.buf = (struct wr_buf){0};
    if (ex->collect.fn)
        ex->collect.fn(ex, body.len > 0 ? wr_buf_ptr(&body) : "", body.len, data_ptr);
}

static void collect_close(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    if (ex->collect.on_close)
        ex->collect.on_close(ex, aborted, data_ptr);
}

void wr_exchange_collect(struct wr_exchange *ex, size_t max,
                         void (*fn)(struct wr_exchange *ex, const char *body, size_t len,
                                    void *data_ptr),
                         void (*on_close)(struct wr_exchange *ex, bool aborted, void *data_ptr),
                         void *data_ptr)
{
    static const struct wr_exchange_ops ops = {
        .on_body = collect_body,
        .on_body_end = collect_end,
        .on_close = collect_close,
    };

    if (ex->closed)
        return;
    wr_buf_done(&ex->collect.buf);
    wr_buf_init(&ex->collect.buf, max);
    ex->collect.fn = fn;
    ex->collect.on_close = on_close;
    wr_exchange_set_ops(ex, &ops, data_ptr);
    if (ex->head.framing == WR_H1_BODY_LENGTH && ex->head.content_length > max)
        too_large(ex);
    /* A body that ended before it was asked for is an empty one. */
    ex->body_end_told = false;
    wr_http_io_kick(&ex->conn->io);
}

void wr_exchange_wipe_body(struct wr_exchange *ex)
{
    if (ex->closed)
        return;
    ex->collect.buf.wipe = true;
    ex->conn->io.in.wipe = true;
}
