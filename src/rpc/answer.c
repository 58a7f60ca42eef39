#include "rpc/answer.h"

#include "base/alloc.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "rpc/envelope.h"

/* The text of an error is 240 bytes, at most six times that when escaped. */
#define ERROR_MAX  4096
/* JSON of this size becomes a tree of several times as much. */
#define BINARY_MAX ((size_t)8 * 1024 * 1024)

static const struct {
    const char *unary, *stream;
} types[] = {
    [WR_CODEC_JSON] = {"application/json", "application/connect+json"},
    [WR_CODEC_PROTO] = {"application/proto", "application/connect+proto"},
};

/* JSON of a handler to the binary form, in a buffer of the caller. */
static int to_binary(const struct wr_connect_out *out, const char *json, size_t len,
                     struct wr_buf *binary, struct wr_error *err)
{
    if (len == 0)
        return 0;
    if (len > BINARY_MAX)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the answer is over the limit of %zu MiB of the binary form; ask in JSON",
                       (size_t)(BINARY_MAX / WR_MIB));
    wr_auto_json *tree = json_loadb(json, len, 0, NULL);
    if (!tree)
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for the answer");
    /* Mostly it is shorter than the JSON; maps with names of one letter are longer. */
    wr_buf_init(binary, 2 * len);
    return wr_proto_encode(out->message, tree, binary, err);
}

static void write_error(struct wr_jw *w, const struct wr_error *error)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "code", wr_code_name((enum wr_code)error->code));
    wr_jw_kstr(w, "message", error->msg);
    wr_jw_end(w);
}

static void reply_error(struct wr_exchange *ex, const struct wr_error *error)
{
    wr_auto_buf text = WR_BUF(ERROR_MAX);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    write_error(&w, error);
    if (wr_jw_finish(&w) < 0)
        wr_exchange_abort(ex);
    else
        wr_exchange_reply(ex, wr_code_http_status((enum wr_code)error->code),
                          types[WR_CODEC_JSON].unary, wr_buf_ptr(&text), text.len);
}

void wr_connect_fail(const struct wr_connect_out *out, const struct wr_error *error)
{
    if (out->streaming) {
        wr_connect_stream_start(out);
        wr_connect_stream_end(out, error);
    } else {
        reply_error(out->ex, error);
    }
}

static void reply_bytes(const struct wr_connect_out *out, const void *body, size_t len)
{
    wr_exchange_begin(out->ex, 200);
    wr_exchange_header(out->ex, "Content-Type", types[out->codec].unary);
    wr_exchange_send(out->ex, body, len);
}

void wr_connect_reply(const struct wr_connect_out *out, const char *json, size_t len)
{
    wr_auto_buf binary = WR_BUF(0);
    struct wr_error err;

    if (out->streaming) {
        wr_connect_stream_start(out);
        if (wr_connect_stream_message(out, json, len) != WR_HTTP_GONE)
            wr_connect_stream_end(out, NULL);
    } else if (out->codec == WR_CODEC_JSON) {
        reply_bytes(out, len > 0 ? json : "{}", len > 0 ? len : 2);
    } else if (to_binary(out, json, len, &binary, &err) < 0) {
        reply_error(out->ex, &err);
    } else {
        reply_bytes(out, wr_buf_ptr(&binary), binary.len);
    }
}

void wr_connect_stream_start(const struct wr_connect_out *out)
{
    wr_exchange_begin(out->ex, 200);
    wr_exchange_header(out->ex, "Content-Type", types[out->codec].stream);
    wr_exchange_stream(out->ex, -1);
}

static enum wr_http_flow write_envelope(struct wr_exchange *ex, uint8_t flags, const char *bytes,
                                        size_t len)
{
    unsigned char header[WR_CONNECT_HEADER_LEN];

    wr_envelope_header(header, flags, len);
    enum wr_http_flow flow = wr_exchange_write(ex, header, sizeof(header));
    return flow == WR_HTTP_GONE || len == 0 ? flow : wr_exchange_write(ex, bytes, len);
}

enum wr_http_flow wr_connect_stream_message(const struct wr_connect_out *out, const char *json,
                                            size_t len)
{
    wr_auto_buf binary = WR_BUF(0);
    struct wr_error err;

    if (out->codec == WR_CODEC_JSON)
        return write_envelope(out->ex, 0, len > 0 ? json : "{}", len > 0 ? len : 2);
    if (to_binary(out, json, len, &binary, &err) < 0) {
        /* A message must not go missing silently. */
        wr_exchange_abort(out->ex);
        return WR_HTTP_GONE;
    }
    return write_envelope(out->ex, 0, wr_buf_ptr(&binary), binary.len);
}

void wr_connect_stream_end(const struct wr_connect_out *out, const struct wr_error *error)
{
    wr_auto_buf text = WR_BUF(ERROR_MAX);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    if (error) {
        wr_jw_key(&w, "error");
        write_error(&w, error);
    }
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        wr_exchange_abort(out->ex);
        return;
    }
    if (write_envelope(out->ex, WR_CONNECT_END_STREAM, wr_buf_ptr(&text), text.len) != WR_HTTP_GONE)
        wr_exchange_end(out->ex);
}
