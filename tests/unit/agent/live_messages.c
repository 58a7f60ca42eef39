#include "live_messages.h"

#include "base/clock.h"
#include "rpc/envelope.h"
#include "test.h"

#define PART ((size_t)512 * 1024) /* the output takes one of these on top of a full one */

static void take(struct messages *m, const struct wr_envelope *e)
{
    json_t *message = NULL;
    struct wr_error err = {0};

    if (m->response && !(e->flags & WR_CONNECT_END_STREAM))
        CHECK_INT(wr_proto_decode(m->response, e->payload, e->len, &message, &err), 0);
    else
        message = json_loadb(e->payload, e->len, 0, NULL);
    CHECK(message != NULL && !m->closed);
    if (!(e->flags & WR_CONNECT_END_STREAM)) {
        CHECK_INT(json_array_append_new(m->list, message), 0);
        return;
    }
    const json_t *error = json_object_get(message, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *text = json_string_value(json_object_get(error, "message"));
    snprintf(m->code, sizeof(m->code), "%s", code ? code : "");
    snprintf(m->message, sizeof(m->message), "%s", text ? text : "");
    m->closed = true;
    json_decref(message);
}

static void on_body(struct wr_http_call *call, const char *data, size_t len, void *user)
{
    struct messages *m = user;
    struct wr_envelope envelope = {0};
    struct wr_error err;
    ssize_t n;

    (void)call;
    m->bytes += len;
    CHECK_INT(wr_buf_append(&m->in, data, len), 0);
    while ((n = wr_envelope_read(wr_buf_ptr(&m->in), m->in.len, WR_CONNECT_END_STREAM, &envelope,
                                 &err)) > 0) {
        take(m, &envelope);
        wr_buf_consume(&m->in, (size_t)n);
    }
    CHECK_INT(n, 0);
}

static void on_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    struct messages *m = data;
    const char *type = m->response ? "application/connect+proto" : "application/connect+json";
    char got[64];

    (void)call;
    m->status = head->status;
    CHECK(wr_h1_get(head, "Content-Type", got, sizeof(got)));
    CHECK_STR(got, type);
}

static void on_end(struct wr_http_call *call, const struct wr_error *err, void *data)
{
    struct messages *m = data;

    (void)call;
    m->lost = err != NULL || !m->closed;
    m->call = NULL;
}

void messages_open(struct messages *m, struct live *live, const struct messages_opts *opts)
{
    static const struct wr_http_call_ops ops = {
        .on_head = on_head, .on_body = on_body, .on_end = on_end};
    struct wr_error err;

    *m = (struct messages){.live = live,
                           .conn = live_connect(live),
                           .request = opts->request,
                           .response = opts->response,
                           .in = WR_BUF(8 * 1024 * 1024),
                           .list = json_array()};
    CHECK_INT(wr_http_call_begin(m->conn, "POST", opts->path, &ops, m, &m->call, &err), 0);
    live_add_headers(m->call, opts->headers);
    wr_http_call_header(m->call, "Content-Type",
                        opts->request ? "application/connect+proto" : "application/connect+json");
    wr_http_call_stream(m->call, -1);
}

/* One part of a message; when the output is full and more is to come, once it is not. */
static bool write_part(struct messages *m, const char *bytes, size_t len, bool last)
{
    uint64_t end = wr_mono_ms() + LIVE_WAIT_MS;
    struct wr_error err;
    bool more = m->call && wr_http_call_write(m->call, bytes, len) == WR_HTTP_MORE;

    while (!more && !last && m->call) {
        CHECK(wr_mono_ms() < end);
        CHECK_INT(wr_loop_step(m->live->loop, 20, &err), 0);
        more = m->call && wr_http_call_write(m->call, "", 0) == WR_HTTP_MORE;
    }
    return more;
}

bool messages_send(struct messages *m, json_t *json)
{
    wr_auto_buf payload = WR_BUF(8 * 1024 * 1024);
    wr_auto_buf envelope = WR_BUF(8 * 1024 * 1024);
    struct wr_error err = {0};

    if (m->request) {
        CHECK_INT(wr_proto_encode(m->request, json, &payload, &err), 0);
    } else {
        char *text = json_dumps(json, JSON_COMPACT);
        CHECK_INT(wr_buf_append_str(&payload, text), 0);
        free(text);
    }
    json_decref(json);
    CHECK_INT(wr_envelope_write(&envelope, 0, wr_buf_ptr(&payload), payload.len), 0);
    bool more = false;
    for (size_t at = 0; at < envelope.len; at += PART) {
        size_t n = WR_MIN(envelope.len - at, PART);
        more = write_part(m, wr_buf_ptr(&envelope) + at, n, at + n == envelope.len);
    }
    return more;
}

void messages_finish(struct messages *m)
{
    if (m->call)
        wr_http_call_end(m->call);
}

static void step(struct messages *m, uint64_t end)
{
    struct wr_error err;

    if (m->lost || wr_mono_ms() > end) {
        char *text = json_dumps(m->list, JSON_COMPACT);
        wr_test_fail(__FILE__, __LINE__, "%s; code '%s' %s; %s", m->lost ? "lost" : "too slow",
                     m->code, m->message, text);
    }
    CHECK_INT(wr_loop_step(m->live->loop, 100, &err), 0);
}

void messages_wait(struct messages *m, size_t count)
{
    uint64_t end = wr_mono_ms() + LIVE_WAIT_MS;

    while (json_array_size(m->list) < count)
        step(m, end);
}

void messages_wait_closed(struct messages *m)
{
    uint64_t end = wr_mono_ms() + LIVE_WAIT_MS;

    while (!m->closed)
        step(m, end);
}

void messages_done(struct messages *m)
{
    json_decref(m->list);
    wr_buf_done(&m->in);
    m->conn = wr_http_conn_free(m->conn);
}
