#include "rpc/connect.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define ENVELOPE_COMPRESSED 0x01
/* Old clients send an end-of-stream envelope behind the one message; it is ignored, and this is
 * room for it. */
#define TRAILING_MAX        1024
/* Connect-Timeout-Ms has at most ten digits (connectrpc.com/docs/protocol). */
#define TIMEOUT_DIGITS      10
#define UNARY_TYPE          "application/json"
#define STREAM_TYPE         "application/connect+json"

static void make_header(unsigned char header[static WR_CONNECT_HEADER_LEN], uint8_t flags,
                        size_t len)
{
    header[0] = flags;
    header[1] = (unsigned char)(len >> 24);
    header[2] = (unsigned char)(len >> 16);
    header[3] = (unsigned char)(len >> 8);
    header[4] = (unsigned char)len;
}

int wr_connect_write_envelope(struct wr_buf *out, uint8_t flags, const void *payload, size_t len)
{
    unsigned char header[WR_CONNECT_HEADER_LEN];

    if (len > UINT32_MAX)
        return -EMSGSIZE;
    make_header(header, flags, len);
    char *to = wr_buf_reserve(out, sizeof(header) + len);
    if (!to)
        return wr_buf_room(out) < sizeof(header) + len ? -ENOBUFS : -ENOMEM;
    memcpy(to, header, sizeof(header));
    if (len > 0)
        memcpy(to + sizeof(header), payload, len);
    wr_buf_commit(out, sizeof(header) + len);
    return 0;
}

ssize_t wr_connect_read_envelope(const char *data, size_t len, uint8_t *ret_flags,
                                 const char **ret_payload, size_t *ret_payload_len,
                                 struct wr_error *err)
{
    const unsigned char *p = (const unsigned char *)data;

    if (len == 0)
        return 0;
    if (p[0] & ENVELOPE_COMPRESSED)
        return wr_fail(err, WR_E_UNIMPLEMENTED, 0, "compressed messages are not supported");
    if (p[0] & ~WR_CONNECT_END_STREAM)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "unknown envelope flags 0x%02x", p[0]);
    if (len < WR_CONNECT_HEADER_LEN)
        return 0;
    size_t size = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (size > WR_CONNECT_MAX_MESSAGE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "message of %zu bytes is over the limit of %d bytes", size,
                       WR_CONNECT_MAX_MESSAGE);
    if (len - WR_CONNECT_HEADER_LEN < size)
        return 0;
    *ret_flags = p[0];
    *ret_payload = data + WR_CONNECT_HEADER_LEN;
    *ret_payload_len = size;
    return (ssize_t)(WR_CONNECT_HEADER_LEN + size);
}

static void write_error(struct wr_jw *w, const struct wr_error *error)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "code", wr_code_name((enum wr_code)error->code));
    wr_jw_kstr(w, "message", error->msg);
    wr_jw_end(w);
}

void wr_connect_reply_error(struct wr_exchange *ex, const struct wr_error *error)
{
    /* The text of an error is 240 bytes, at most six times that when escaped. */
    wr_auto_buf text = WR_BUF(4096);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    write_error(&w, error);
    if (wr_jw_finish(&w) < 0)
        wr_exchange_abort(ex);
    else
        wr_exchange_reply(ex, wr_code_http_status((enum wr_code)error->code), UNARY_TYPE,
                          wr_buf_ptr(&text), text.len);
}

void wr_connect_reply(struct wr_exchange *ex, const char *json, size_t len)
{
    wr_exchange_reply(ex, 200, UNARY_TYPE, len > 0 ? json : "{}", len > 0 ? len : 2);
}

void wr_connect_stream_start(struct wr_exchange *ex)
{
    wr_exchange_begin(ex, 200);
    wr_exchange_header(ex, "Content-Type", STREAM_TYPE);
    wr_exchange_stream(ex, -1);
}

static enum wr_http_flow write_envelope(struct wr_exchange *ex, uint8_t flags, const char *json,
                                        size_t len)
{
    unsigned char header[WR_CONNECT_HEADER_LEN];

    make_header(header, flags, len);
    enum wr_http_flow flow = wr_exchange_write(ex, header, sizeof(header));
    return flow == WR_HTTP_GONE || len == 0 ? flow : wr_exchange_write(ex, json, len);
}

enum wr_http_flow wr_connect_stream_message(struct wr_exchange *ex, const char *json, size_t len)
{
    return write_envelope(ex, 0, json, len);
}

void wr_connect_stream_end(struct wr_exchange *ex, const struct wr_error *error)
{
    wr_auto_buf text = WR_BUF(4096);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    if (error) {
        wr_jw_key(&w, "error");
        write_error(&w, error);
    }
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        wr_exchange_abort(ex);
        return;
    }
    if (write_envelope(ex, WR_CONNECT_END_STREAM, wr_buf_ptr(&text), text.len) != WR_HTTP_GONE)
        wr_exchange_end(ex);
}

/* A call whose message is still being collected. */
struct pending {
    const struct wr_connect_method *method;
    void *data;
    uint64_t timeout_ms;
};

static void reply_failure(struct wr_exchange *ex, const struct wr_connect_method *method,
                          const struct wr_error *error)
{
    if (method->streaming) {
        wr_connect_stream_start(ex);
        wr_connect_stream_end(ex, error);
    } else {
        wr_connect_reply_error(ex, error);
    }
}

/* The message of a streaming request: its first envelope. */
static int first_message(const char **body, size_t *len, struct wr_error *err)
{
    uint8_t flags = 0;
    const char *payload = NULL;
    size_t payload_len = 0;

    ssize_t n = wr_connect_read_envelope(*body, *len, &flags, &payload, &payload_len, err);
    if (n < 0)
        return (int)n;
    if (n == 0 || (flags & WR_CONNECT_END_STREAM))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the request holds no complete message");
    *body = payload;
    *len = payload_len;
    return 0;
}

static void on_message(struct wr_exchange *ex, const char *body, size_t len, void *data_ptr)
{
    static const struct wr_exchange_ops no_ops;
    wr_auto_free struct pending *pending = data_ptr;
    wr_auto_json *request = NULL;
    struct wr_error err = {0};

    /* From here on the exchange is the handler's. */
    wr_exchange_set_ops(ex, &no_ops, NULL);
    int r = pending->method->streaming ? first_message(&body, &len, &err) : 0;
    if (r == 0)
        r = wr_json_parse(body, len, &request, &err);
    if (r < 0) {
        reply_failure(ex, pending->method, &err);
        return;
    }
    const struct wr_connect_call call = {
        .ex = ex, .request = request, .timeout_ms = pending->timeout_ms};
    pending->method->handler(&call, pending->data);
}

static void on_lost(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    (void)ex;
    (void)aborted;
    free(data_ptr);
}

/* The media type without its parameters. */
static bool has_type(const struct wr_h1_head *head, const char *type)
{
    const struct wr_h1_header *field = wr_h1_find(head, "Content-Type");

    if (!field)
        return false;
    const char *semicolon = memchr(field->value, ';', field->value_len);
    size_t len = semicolon ? (size_t)(semicolon - field->value) : field->value_len;
    while (len > 0 && (field->value[len - 1] == ' ' || field->value[len - 1] == '\t'))
        len--;
    return wr_memcaseeq(field->value, len, type, strlen(type));
}

static int read_timeout(const struct wr_h1_head *head, uint64_t *ret_ms, struct wr_error *err)
{
    char text[TIMEOUT_DIGITS + 1];

    *ret_ms = 0;
    if (!wr_h1_find(head, "Connect-Timeout-Ms"))
        return 0;
    if (!wr_h1_get(head, "Connect-Timeout-Ms", text, sizeof(text)) ||
        wr_parse_u64(text, 0, UINT64_MAX, ret_ms) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "Connect-Timeout-Ms must be a number of at most %d digits", TIMEOUT_DIGITS);
    return 0;
}

static int check_request(const struct wr_h1_head *head, bool streaming, uint64_t *ret_timeout_ms,
                         struct wr_error *err)
{
    const char *name = streaming ? "Connect-Content-Encoding" : "Content-Encoding";
    const struct wr_h1_header *encoding = wr_h1_find(head, name);

    if (encoding && encoding->value_len > 0 &&
        !wr_memcaseeq(encoding->value, encoding->value_len, "identity", 8))
        return wr_fail(err, WR_E_UNIMPLEMENTED, 0, "%s other than identity is not supported", name);
    if (head->framing == WR_H1_BODY_LENGTH && head->content_length > WR_CONNECT_MAX_MESSAGE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the message is over the limit of %d bytes",
                       WR_CONNECT_MAX_MESSAGE);
    return read_timeout(head, ret_timeout_ms, err);
}

static void start_call(const struct wr_connect_method *method, struct wr_exchange *ex, void *data)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    struct wr_error err = {0};
    uint64_t timeout_ms = 0;

    if (!wr_exchange_is(ex, "POST")) {
        wr_exchange_begin(ex, 405);
        wr_exchange_header(ex, "Allow", "POST");
        wr_exchange_send(ex, NULL, 0);
        return;
    }
    const char *type = method->streaming ? STREAM_TYPE : UNARY_TYPE;
    if (!has_type(head, type)) {
        wr_exchange_begin(ex, 415);
        wr_exchange_header(ex, "Accept-Post", type);
        wr_exchange_send(ex, NULL, 0);
        return;
    }
    if (check_request(head, method->streaming, &timeout_ms, &err) < 0) {
        reply_failure(ex, method, &err);
        return;
    }
    struct pending *pending = wr_calloc(1, sizeof(*pending));
    if (!pending) {
        (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new call");
        reply_failure(ex, method, &err);
        return;
    }
    *pending = (struct pending){.method = method, .data = data, .timeout_ms = timeout_ms};
    wr_exchange_collect(ex, WR_CONNECT_MAX_MESSAGE + WR_CONNECT_HEADER_LEN + TRAILING_MAX,
                        on_message, on_lost, pending);
}

bool wr_connect_dispatch(const struct wr_connect_method *methods, size_t count,
                         struct wr_exchange *ex, void *data)
{
    const char *path = wr_exchange_path(ex);

    for (size_t i = 0; i < count; i++) {
        if (!wr_streq(methods[i].path, path))
            continue;
        start_call(&methods[i], ex, data);
        return true;
    }
    return false;
}
