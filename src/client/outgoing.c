#include "client/outgoing.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/str.h"

#define MAX_HEADERS WR_HTTP_MAX_HEAD /* bytes of all fields; a server takes no more */
#define MAX_USER    128

static int add(struct wr_outgoing *out, const char *name, const char *value)
{
    int r = value ? wr_buf_append(&out->headers, name, strlen(name) + 1) : 0;

    return r == 0 && value ? wr_buf_append(&out->headers, value, strlen(value) + 1) : r;
}

static int add_number(struct wr_outgoing *out, const char *name, uint64_t number)
{
    char text[24];

    return wr_strformat(text, sizeof text, "%llu", (unsigned long long)number)
               ? add(out, name, text)
               : -ENOBUFS;
}

/* "Basic base64(user:)". A name that is none gives no text. */
static const char *basic(const char *user, char *out, size_t cap)
{
    char plain[MAX_USER + 2];

    if (!user || strchr(user, ':') || !wr_strformat(plain, sizeof plain, "%s:", user) ||
        6 + WR_BASE64_LEN(strlen(plain)) >= cap)
        return NULL;
    memcpy(out, "Basic ", 6);
    out[6 + wr_base64_encode(plain, strlen(plain), out + 6)] = '\0';
    return out;
}

static int add_all(struct wr_outgoing *out, const struct wr_transport_request *request,
                   const struct wr_endpoint *endpoint, const struct wr_url *url)
{
    char authorization[6 + WR_BASE64_LEN(MAX_USER + 2) + 1];
    const struct wr_transport_header fields[] = {
        {"Host", url->authority},
        {"User-Agent", "warren/" WR_VERSION},
        {"X-API-KEY", request->sandbox_id ? NULL : wr_endpoint_key(endpoint)},
        {"Content-Type", request->content_type},
        {"E2b-Sandbox-Id", request->sandbox_id},
        {"X-Access-Token", request->access_token},
        {"E2B-Traffic-Access-Token", request->traffic_token},
        {"Connection", request->upgrade ? "Upgrade" : NULL},
        {"Upgrade", request->upgrade},
        {"Authorization", basic(request->user, authorization, sizeof authorization)},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < WR_ARRAY_SIZE(fields); i++)
        r = add(out, fields[i].name, fields[i].value);
    if (r == 0 && request->sandbox_id)
        r = add_number(out, "E2b-Sandbox-Port", request->port);
    if (r == 0 && request->connect_timeout_ms)
        r = add_number(out, "Connect-Timeout-Ms", request->connect_timeout_ms);
    for (size_t i = 0; r == 0 && i < request->header_count; i++)
        r = add(out, request->headers[i].name, request->headers[i].value);
    return r;
}

int wr_outgoing_init(struct wr_outgoing *out, const struct wr_transport_request *request,
                     const struct wr_endpoint *endpoint, const struct wr_url *url,
                     struct wr_error *err)
{
    struct wr_outgoing made = {
        .body = request->body,
        .body_len = request->body_len,
        .stream = request->stream,
        .stream_length = request->stream_length,
    };

    wr_buf_init(&made.headers, MAX_HEADERS);
    wr_buf_init(&made.copy, request->body_len);
    made.headers.wipe = made.copy.wipe = true;
    if (request->user && (strlen(request->user) > MAX_USER || strchr(request->user, ':')))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "user %.40s: not a user name", request->user);
    if (!wr_strcopy(made.method, sizeof made.method, request->method))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "method %.40s: too long", request->method);
    made.target = wr_asprintf("%s%s", url->prefix, request->target);
    int r = made.target ? add_all(&made, request, endpoint, url) : -ENOMEM;
    if (r < 0) {
        wr_outgoing_done(&made);
        return wr_fail(err, r == -ENOBUFS ? WR_E_INVALID_ARGUMENT : WR_E_RESOURCE_EXHAUSTED, -r,
                       "header fields of %s %.60s", request->method, request->target);
    }
    *out = made;
    return 0;
}

void wr_outgoing_done(struct wr_outgoing *out)
{
    free(out->target);
    out->target = NULL;
    wr_buf_done(&out->headers);
    wr_buf_done(&out->copy);
}

int wr_outgoing_keep(struct wr_outgoing *out, struct wr_error *err)
{
    if (out->body_len == 0 || out->copy.len > 0)
        return 0;
    if (wr_buf_append(&out->copy, out->body, out->body_len) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "body of %s %.60s", out->method,
                       out->target);
    out->body = wr_buf_ptr(&out->copy);
    return 0;
}

int wr_outgoing_send(const struct wr_outgoing *out, struct wr_http_conn *http,
                     const struct wr_http_call_ops *ops, void *data, struct wr_http_call **ret,
                     struct wr_error *err)
{
    const char *at = wr_buf_ptr(&out->headers), *end = at + out->headers.len;
    struct wr_http_call *call = NULL;

    int r = wr_http_call_begin(http, out->method, out->target, ops, data, &call, err);
    if (r < 0)
        return r;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        wr_http_call_header(call, at, value);
        at = value + strlen(value) + 1;
    }
    *ret = call;
    if (out->stream)
        wr_http_call_stream(call, out->stream_length);
    else
        wr_http_call_send(call, out->body, out->body_len);
    return 0;
}

bool wr_outgoing_is_repeatable(const struct wr_outgoing *out)
{
    return wr_streq(out->method, "GET") || wr_streq(out->method, "HEAD") ||
           wr_streq(out->method, "DELETE");
}
