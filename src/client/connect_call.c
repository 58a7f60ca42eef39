#include "client/connect_call.h"

#include <errno.h>

#include "base/alloc.h"
#include "client/answer_error.h"
#include "engine/action.h"
#include "json/jread.h"
#include "rpc/envelope.h"

#define MAX_UNARY ((size_t)WR_CONNECT_MAX_MESSAGE)

struct wr_rpc {
    struct wr_transport_call *call;
    const struct wr_rpc_stream_ops *ops; /* NULL: unary */
    wr_rpc_unary_fn fn;
    void *data;
    struct wr_buf in;
    bool ended; /* the end-of-stream envelope was seen */
    struct wr_error error;
};

static void rpc_free(struct wr_rpc *rpc)
{
    wr_buf_done(&rpc->in);
    free(rpc);
}

static struct wr_rpc *rpc_new(size_t max, void *data, struct wr_error *err)
{
    struct wr_rpc *rpc = wr_calloc(1, sizeof *rpc);

    if (!rpc) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "call");
        return NULL;
    }
    wr_buf_init(&rpc->in, max);
    rpc->data = data;
    return rpc;
}

static struct wr_transport_request to_request(const struct wr_rpc_request *request,
                                              const char *content_type)
{
    /* What E2B's SDKs send; the pings keep a silent stream alive on its way. */
    static const struct wr_transport_header headers[] = {{"Connect-Protocol-Version", "1"},
                                                         {"Keepalive-Ping-Interval", "50"}};

    return (struct wr_transport_request){
        .method = "POST",
        .target = request->path,
        .sandbox_id = request->sandbox_id,
        .port = WR_AGENT_PORT,
        .sandbox_domain = request->sandbox_domain,
        .access_token = request->access_token,
        .headers = headers,
        .header_count = WR_ARRAY_SIZE(headers),
        .user = request->user,
        .content_type = content_type,
        .connect_timeout_ms = request->timeout_ms,
        .body = request->message,
        .body_len = request->message_len,
    };
}

/* ---- unary ---- */

static void unary_body(struct wr_transport_call *call, const char *bytes, size_t len, void *data)
{
    struct wr_rpc *rpc = data;

    (void)call;
    if (rpc->error.code == WR_OK && wr_buf_append(&rpc->in, bytes, len) < 0)
        (void)wr_fail(&rpc->error, WR_E_RESOURCE_EXHAUSTED, 0, "the agent's answer is too large");
}

static void unary_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct wr_rpc *rpc = data;
    wr_auto_json *json = NULL;

    (void)call;
    if (!error && rpc->error.code == WR_OK)
        (void)!wr_json_parse(wr_buf_ptr(&rpc->in), rpc->in.len, &json, &rpc->error);
    if (!error && rpc->error.code != WR_OK)
        error = &rpc->error;
    rpc->fn(error ? NULL : json, error, rpc->data);
    rpc_free(rpc);
}

int wr_rpc_unary(struct wr_transport *transport, const struct wr_rpc_request *request,
                 wr_rpc_unary_fn fn, void *data, struct wr_error *err)
{
    static const struct wr_transport_ops ops = {.on_body = unary_body, .on_end = unary_end};
    struct wr_transport_request http = to_request(request, "application/json");
    struct wr_rpc *rpc = rpc_new(MAX_UNARY, data, err);

    if (!rpc)
        return -err->code;
    rpc->fn = fn;
    int r = wr_transport_begin(transport, &http, &ops, rpc, NULL, err);
    if (r < 0)
        rpc_free(rpc);
    return r;
}

/* ---- server streaming ---- */

/* The end-of-stream message: {} or {"error": {"code", "message"}}. */
static void read_end(struct wr_rpc *rpc, const char *payload, size_t len)
{
    wr_auto_json *json = NULL;

    rpc->ended = true;
    if (wr_json_parse(payload, len, &json, &rpc->error) < 0)
        return;
    const json_t *error = json_object_get(json, "error");
    if (!error)
        return;
    char *text = json_dumps(error, JSON_COMPACT);
    wr_answer_error(500, text, text ? strlen(text) : 0, &rpc->error);
    free(text);
}

static void read_message(struct wr_rpc *rpc, const char *payload, size_t len)
{
    wr_auto_json *json = NULL;

    if (wr_json_parse(payload, len, &json, &rpc->error) == 0)
        rpc->ops->on_message(rpc, json, rpc->data);
}

static void stream_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct wr_rpc *rpc = data;

    (void)call;
    rpc->call = NULL;
    if (!error && rpc->error.code == WR_OK && !rpc->ended)
        (void)wr_fail(&rpc->error, WR_E_UNAVAILABLE, 0, "the stream was cut");
    if (rpc->error.code != WR_OK)
        error = &rpc->error;
    rpc->ops->on_end(rpc, error, rpc->data);
    rpc_free(rpc);
}

static void stream_body(struct wr_transport_call *call, const char *bytes, size_t len, void *data)
{
    struct wr_rpc *rpc = data;

    if (wr_buf_append(&rpc->in, bytes, len) < 0)
        (void)wr_fail(&rpc->error, WR_E_RESOURCE_EXHAUSTED, 0, "a message is too large");
    while (rpc->error.code == WR_OK && !rpc->ended) {
        struct wr_envelope envelope = {0};
        /* Compression was not offered. */
        ssize_t n = wr_envelope_read(wr_buf_ptr(&rpc->in), rpc->in.len, WR_CONNECT_END_STREAM,
                                     &envelope, &rpc->error);
        if (n <= 0)
            break;
        if (envelope.flags & WR_CONNECT_END_STREAM)
            read_end(rpc, envelope.payload, envelope.len);
        else
            read_message(rpc, envelope.payload, envelope.len);
        wr_buf_consume(&rpc->in, (size_t)n);
    }
    if (rpc->ended)
        wr_buf_clear(&rpc->in); /* nothing may follow */
    if (rpc->error.code == WR_OK || rpc->ended)
        return;
    /* Not waited for: whoever sends this need not ever end. */
    wr_transport_cancel(call);
    stream_end(NULL, NULL, rpc);
}

int wr_rpc_stream(struct wr_transport *transport, const struct wr_rpc_request *request,
                  const struct wr_rpc_stream_ops *ops, void *data, struct wr_rpc **ret,
                  struct wr_error *err)
{
    static const struct wr_transport_ops call_ops = {.on_body = stream_body, .on_end = stream_end};
    struct wr_transport_request http = to_request(request, "application/connect+json");
    wr_auto_buf envelope = WR_BUF(WR_CONNECT_MAX_MESSAGE + WR_CONNECT_HEADER_LEN);
    /* One read of the socket may come on top of an unfinished message. */
    struct wr_rpc *rpc =
        rpc_new(WR_CONNECT_MAX_MESSAGE + WR_CONNECT_HEADER_LEN + WR_HTTP_READ_SIZE, data, err);

    if (!rpc)
        return -err->code;
    rpc->ops = ops;
    int r = wr_envelope_write(&envelope, 0, request->message, request->message_len);
    if (r < 0) {
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "the message is too large");
    } else {
        http.body = wr_buf_ptr(&envelope);
        http.body_len = envelope.len;
        r = wr_transport_begin(transport, &http, &call_ops, rpc, &rpc->call, err);
    }
    if (r < 0) {
        rpc_free(rpc);
        return r;
    }
    *ret = rpc;
    return 0;
}

void wr_rpc_pause(struct wr_rpc *rpc, bool paused)
{
    if (rpc->call)
        wr_transport_pause(rpc->call, paused);
}

void wr_rpc_cancel(struct wr_rpc *rpc)
{
    if (!rpc)
        return;
    wr_transport_cancel(rpc->call);
    rpc_free(rpc);
}
