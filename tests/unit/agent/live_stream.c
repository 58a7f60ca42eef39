#include "base/alloc.h"
#include "base/clock.h"
#include "base/encode.h"
#include "live.h"
#include "rpc/envelope.h"
#include "test.h"

static void take_bytes(struct stream *s, const json_t *data)
{
    struct {
        const char *key;
        struct wr_buf *buf;
    } kinds[] = {{"stdout", &s->out}, {"stderr", &s->err}, {"pty", &s->pty}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(kinds); i++) {
        const char *text = json_string_value(json_object_get(data, kinds[i].key));
        if (!text)
            continue;
        size_t len = strlen(text);
        char *bytes = malloc(len + 3);
        ssize_t n = wr_base64_decode(text, len, bytes);
        CHECK(n > 0);
        s->bytes += (size_t)n;
        if (!s->discard)
            CHECK_INT(wr_buf_append(kinds[i].buf, bytes, (size_t)n), 0);
        free(bytes);
    }
}

static void take_event(struct stream *s, const json_t *message)
{
    const json_t *event = json_object_get(message, "event");
    const json_t *start = json_object_get(event, "start");
    const json_t *end = json_object_get(event, "end");

    CHECK(event != NULL && !s->has_end);
    if (s->pid == 0)
        CHECK(start != NULL);
    if (start)
        s->pid = json_integer_value(json_object_get(start, "pid"));
    s->keepalives += json_object_get(event, "keepalive") != NULL;
    take_bytes(s, json_object_get(event, "data"));
    if (end) {
        s->has_end = true;
        s->exit_code = json_integer_value(json_object_get(end, "exitCode"));
        s->exited = json_is_true(json_object_get(end, "exited"));
        const char *status = json_string_value(json_object_get(end, "status"));
        const char *error = json_string_value(json_object_get(end, "error"));
        snprintf(s->status, sizeof(s->status), "%s", status ? status : "");
        snprintf(s->error, sizeof(s->error), "%s", error ? error : "");
    }
}

static void take_trailer(struct stream *s, const json_t *message)
{
    const json_t *error = json_object_get(message, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *text = json_string_value(json_object_get(error, "message"));
    snprintf(s->code, sizeof(s->code), "%s", code ? code : "");
    snprintf(s->message, sizeof(s->message), "%s", text ? text : "");
    s->closed = true;
}

static void stream_body(struct wr_http_call *call, const char *data, size_t len, void *user)
{
    struct stream *s = user;
    struct wr_envelope envelope = {0};
    struct wr_error err;
    ssize_t n;

    (void)call;
    CHECK_INT(wr_buf_append(&s->in, data, len), 0);
    while ((n = wr_envelope_read(wr_buf_ptr(&s->in), s->in.len, WR_CONNECT_END_STREAM, &envelope,
                                 &err)) > 0) {
        json_t *message = json_loadb(envelope.payload, envelope.len, 0, NULL);
        CHECK(message != NULL);
        if (envelope.flags & WR_CONNECT_END_STREAM)
            take_trailer(s, message);
        else
            take_event(s, message);
        json_decref(message);
        wr_buf_consume(&s->in, (size_t)n);
    }
    CHECK_INT(n, 0);
}

static void stream_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    (void)call;
    (void)data;
    CHECK_INT(head->status, 200);
}

static void stream_end(struct wr_http_call *call, const struct wr_error *err, void *data)
{
    struct stream *s = data;
    (void)call;
    s->lost = err != NULL || !s->closed;
    s->call = NULL;
}

json_t *start_shell(const char *command)
{
    return json_pack("{s:{s:s, s:[s,s]}, s:b}", "process", "cmd", "/bin/sh", "args", "-c", command,
                     "stdin", 0);
}

json_t *start_cmd(const char *cmd)
{
    return json_pack("{s:{s:s}}", "process", "cmd", cmd);
}

void live_signal(struct live *live, long long pid, const char *name, const char *code)
{
    live_expect(live, "/process.Process/SendSignal",
                json_pack("{s:{s:I}, s:s}", SELECT(pid), "signal", name), code);
}

static void basic_auth(const char *user, char *out, size_t cap)
{
    char plain[64];
    size_t len = (size_t)snprintf(plain, sizeof(plain), "%s:", user);
    CHECK(cap > 6 + WR_BASE64_LEN(sizeof(plain)));
    memcpy(out, "Basic ", 6);
    out[6 + wr_base64_encode(plain, len, out + 6)] = '\0';
}

void stream_open(struct stream *s, struct live *live, const struct stream_opts *opts,
                 json_t *request)
{
    static const struct wr_http_call_ops ops = {
        .on_head = stream_head, .on_body = stream_body, .on_end = stream_end};
    struct wr_error err;
    char number[16], auth[128];
    wr_auto_buf body = WR_BUF(8 * 1024 * 1024);
    char *text = json_dumps(request, JSON_COMPACT);

    CHECK(text != NULL);
    json_decref(request);
    *s = (struct stream){.live = live,
                         .conn = live_connect(live),
                         .discard = opts->discard,
                         .in = WR_BUF(8 * 1024 * 1024),
                         .out = WR_BUF(LIVE_BODY_MAX),
                         .err = WR_BUF(LIVE_BODY_MAX),
                         .pty = WR_BUF(LIVE_BODY_MAX)};
    CHECK_INT(wr_envelope_write(&body, 0, text, strlen(text)), 0);
    free(text);
    const char *path = opts->path ? opts->path : "/process.Process/Start";
    CHECK_INT(wr_http_call_begin(s->conn, "POST", path, &ops, s, &s->call, &err), 0);
    live_add_headers(s->call, NULL);
    wr_http_call_header(s->call, "Content-Type", "application/connect+json");
    if (opts->timeout_ms > 0) {
        snprintf(number, sizeof(number), "%u", opts->timeout_ms);
        wr_http_call_header(s->call, "Connect-Timeout-Ms", number);
    }
    if (opts->keepalive_s > 0) {
        snprintf(number, sizeof(number), "%u", opts->keepalive_s);
        wr_http_call_header(s->call, "Keepalive-Ping-Interval", number);
    }
    if (opts->user) {
        basic_auth(opts->user, auth, sizeof(auth));
        wr_http_call_header(s->call, "Authorization", auth);
    }
    if (opts->authorization)
        wr_http_call_header(s->call, "Authorization", opts->authorization);
    wr_http_call_send(s->call, wr_buf_ptr(&body), body.len);
}

void stream_pause(struct stream *s, bool paused)
{
    wr_http_call_pause(s->call, paused);
}

bool stream_started(const struct stream *s)
{
    return s->pid != 0;
}

bool stream_closed(const struct stream *s)
{
    return s->closed;
}

void stream_wait(struct stream *s, bool (*done)(const struct stream *s))
{
    struct wr_error err;
    uint64_t end = wr_mono_ms() + LIVE_WAIT_MS;
    while (!done(s)) {
        if (s->lost || wr_mono_ms() > end)
            wr_test_fail(__FILE__, __LINE__, "%s; code '%s' %s; %zu bytes",
                         s->lost ? "stream lost" : "too slow", s->code, s->message, s->bytes);
        CHECK_INT(wr_loop_step(s->live->loop, 100, &err), 0);
    }
}

void stream_wait_text(struct stream *s, const char *text)
{
    struct wr_error err;
    uint64_t end = wr_mono_ms() + LIVE_WAIT_MS;
    while (!strstr(wr_buf_cstr(&s->out), text) && !strstr(wr_buf_cstr(&s->pty), text)) {
        if (s->lost || wr_mono_ms() > end)
            wr_test_fail(__FILE__, __LINE__, "no '%s' in '%s' '%s'", text, wr_buf_cstr(&s->out),
                         wr_buf_cstr(&s->pty));
        CHECK_INT(wr_loop_step(s->live->loop, 100, &err), 0);
    }
}

void stream_done(struct stream *s)
{
    wr_buf_done(&s->in);
    wr_buf_done(&s->out);
    wr_buf_done(&s->err);
    wr_buf_done(&s->pty);
    s->conn = wr_http_conn_free(s->conn);
}

void live_run(struct live *live, const char *command, long long exit_code, const char *out)
{
    struct stream s;
    const struct stream_opts opts = {0};
    stream_open(&s, live, &opts, start_shell(command));
    stream_wait(&s, stream_closed);
    CHECK_STR(s.code, "");
    CHECK(s.has_end);
    if (out)
        CHECK_STR(wr_buf_cstr(&s.out), out);
    CHECK_INT(s.exit_code, exit_code);
    stream_done(&s);
}
