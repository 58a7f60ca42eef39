#include "rpc/connect.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"
#include "json/jread.h"
#include "rpc/inflate.h"

/* Old clients send an end-of-stream envelope behind the one message; it is ignored, and this is
 * room for it. */
#define TRAILING_MAX   1024
/* Connect-Timeout-Ms has at most ten digits (connectrpc.com/docs/protocol). */
#define TIMEOUT_DIGITS 10

static const struct media_type {
    const char *name;
    bool streaming;
    enum wr_connect_codec codec;
} media_types[] = {
    {"application/json", false, WR_CODEC_JSON},
    {"application/proto", false, WR_CODEC_PROTO},
    {"application/connect+json", true, WR_CODEC_JSON},
    {"application/connect+proto", true, WR_CODEC_PROTO},
};

/* A call whose message is still being collected. */
struct pending {
    const struct wr_connect_method *method;
    struct wr_connect_out out;
    void *data;
    uint64_t timeout_ms;
    bool gzip;
};

int wr_connect_parse(const struct wr_proto_message *message, enum wr_connect_codec codec,
                     const struct wr_envelope *envelope, json_t **ret, struct wr_error *err)
{
    wr_auto_buf plain = WR_BUF(WR_CONNECT_MAX_MESSAGE);
    wr_auto_json *json = NULL;
    const char *bytes = envelope->payload;
    size_t len = envelope->len;
    int rc = 0;

    if (envelope->flags & WR_CONNECT_COMPRESSED) {
        rc = wr_inflate(bytes, len, &plain, err);
        bytes = plain.len > 0 ? wr_buf_ptr(&plain) : "";
        len = plain.len;
    }
    if (rc == 0 && codec == WR_CODEC_PROTO)
        return wr_proto_decode(message, bytes, len, ret, err);
    if (rc == 0)
        rc = wr_json_parse_within(bytes, len, WR_PROTO_MAX_VALUES, &json, err);
    if (rc == 0)
        rc = wr_proto_normalize(message, json, err);
    if (rc == 0)
        *ret = wr_steal_ptr(&json);
    return rc;
}

/* The message of a streaming request: its first envelope. */
static int first_message(const struct pending *pending, const char *body, size_t len,
                         struct wr_envelope *ret, struct wr_error *err)
{
    uint8_t allowed = WR_CONNECT_END_STREAM | (pending->gzip ? WR_CONNECT_COMPRESSED : 0);

    ssize_t n = wr_envelope_read(body, len, allowed, ret, err);
    if (n < 0)
        return (int)n;
    if (n == 0 || (ret->flags & WR_CONNECT_END_STREAM))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the request holds no complete message");
    return 0;
}

static void on_message(struct wr_exchange *ex, const char *body, size_t len, void *data_ptr)
{
    static const struct wr_exchange_ops no_ops;
    wr_auto_free struct pending *pending = data_ptr;
    wr_auto_json *request = NULL;
    struct wr_error err = {0};
    /* An empty body is not compressed, whatever the field says. */
    struct wr_envelope message = {pending->gzip && len > 0 ? WR_CONNECT_COMPRESSED : 0, body, len};

    /* From here on the exchange is the handler's. */
    wr_exchange_set_ops(ex, &no_ops, NULL);
    int r = pending->out.streaming ? first_message(pending, body, len, &message, &err) : 0;
    if (r == 0)
        r = wr_connect_parse(pending->method->request, pending->out.codec, &message, &request,
                             &err);
    if (r < 0) {
        wr_connect_fail(&pending->out, &err);
        return;
    }
    const struct wr_connect_call call = {.ex = ex,
                                         .out = pending->out,
                                         .request = request,
                                         .timeout_ms = pending->timeout_ms,
                                         .method = pending->method};
    pending->method->handler(&call, pending->data);
}

static void on_lost(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    (void)ex;
    (void)aborted;
    free(data_ptr);
}

/* By the media type without its parameters; NULL when the method does not take it. */
static const struct media_type *find_type(const struct wr_h1_head *head, bool streaming)
{
    const struct wr_h1_header *field = wr_h1_find(head, "Content-Type");

    if (!field)
        return NULL;
    const char *semicolon = memchr(field->value, ';', field->value_len);
    size_t len = semicolon ? (size_t)(semicolon - field->value) : field->value_len;
    while (len > 0 && (field->value[len - 1] == ' ' || field->value[len - 1] == '\t'))
        len--;
    for (size_t i = 0; i < WR_ARRAY_SIZE(media_types); i++) {
        const struct media_type *type = &media_types[i];
        if (type->streaming == streaming &&
            wr_memcaseeq(field->value, len, type->name, strlen(type->name)))
            return type;
    }
    return NULL;
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

static int read_encoding(const struct wr_h1_head *head, bool streaming, bool *ret_gzip,
                         struct wr_error *err)
{
    const char *name = streaming ? "Connect-Content-Encoding" : "Content-Encoding";
    const struct wr_h1_header *encoding = wr_h1_find(head, name);

    *ret_gzip = encoding && wr_memcaseeq(encoding->value, encoding->value_len, "gzip", 4);
    if (*ret_gzip || !encoding || encoding->value_len == 0 ||
        wr_memcaseeq(encoding->value, encoding->value_len, "identity", 8))
        return 0;
    return wr_fail(err, WR_E_UNIMPLEMENTED, 0, "%s: only gzip and identity are supported", name);
}

static int check_request(const struct wr_h1_head *head, struct pending *pending,
                         struct wr_error *err)
{
    int rc = read_encoding(head, pending->out.streaming, &pending->gzip, err);

    if (rc < 0)
        return rc;
    if (pending->method->kind != WR_CONNECT_CLIENT_STREAM && head->framing == WR_H1_BODY_LENGTH &&
        head->content_length > WR_CONNECT_MAX_MESSAGE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the message is over the limit of %d bytes",
                       WR_CONNECT_MAX_MESSAGE);
    return read_timeout(head, &pending->timeout_ms, err);
}

static void refuse_type(struct wr_exchange *ex, bool streaming)
{
    wr_exchange_begin(ex, 415);
    for (size_t i = 0; i < WR_ARRAY_SIZE(media_types); i++) {
        if (media_types[i].streaming == streaming)
            wr_exchange_header(ex, "Accept-Post", media_types[i].name);
    }
    wr_exchange_send(ex, NULL, 0);
}

static void collect(const struct pending *call)
{
    struct wr_error err = {0};
    struct pending *pending = wr_calloc(1, sizeof(*pending));

    if (!pending) {
        (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new call");
        wr_connect_fail(&call->out, &err);
        return;
    }
    *pending = *call;
    wr_exchange_collect(call->out.ex, WR_CONNECT_MAX_MESSAGE + WR_CONNECT_HEADER_LEN + TRAILING_MAX,
                        on_message, on_lost, pending);
}

static void start_call(const struct wr_connect_method *method, struct wr_exchange *ex, void *data)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    bool streaming = method->kind != WR_CONNECT_UNARY;
    struct wr_error err = {0};

    if (!wr_exchange_is(ex, "POST")) {
        wr_exchange_begin(ex, 405);
        wr_exchange_header(ex, "Allow", "POST");
        wr_exchange_send(ex, NULL, 0);
        return;
    }
    const struct media_type *type = find_type(head, streaming);
    if (!type) {
        refuse_type(ex, streaming);
        return;
    }
    struct pending pending = {.method = method,
                              .out = {.ex = ex,
                                      .message = method->response,
                                      .codec = type->codec,
                                      .streaming = streaming},
                              .data = data};
    if (check_request(head, &pending, &err) < 0) {
        wr_connect_fail(&pending.out, &err);
        return;
    }
    if (method->kind != WR_CONNECT_CLIENT_STREAM) {
        collect(&pending);
        return;
    }
    const struct wr_connect_call call = {.ex = ex,
                                         .out = pending.out,
                                         .timeout_ms = pending.timeout_ms,
                                         .method = method,
                                         .gzip = pending.gzip};
    method->handler(&call, data);
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
