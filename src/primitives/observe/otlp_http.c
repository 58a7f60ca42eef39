#include "primitives/observe/otlp_http.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/transport.h"
#include "primitives/observe/otel_pairs.h"

#define MAX_HEADERS 32

struct http {
    struct wr_transport *transport;
    struct wr_transport_header headers[MAX_HEADERS];
    size_t header_count;
    struct wr_buf text; /* of the headers: what they point into; wiped */
    int abort_fd;       /* readable once it is over */
};

static void http_free(void *self)
{
    struct http *http = self;

    wr_transport_free(http->transport);
    (void)wr_close(http->abort_fd);
    wr_buf_done(&http->text);
    free(http);
}

static void http_abort(void *self)
{
    const struct http *http = self;

    (void)!eventfd_write(http->abort_fd, 1);
}

/* ---- one request ---- */

struct answer {
    bool ended;
    int status;
    struct wr_error error;
};

static void on_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct answer *answer = data;

    answer->ended = true;
    answer->status = wr_transport_status(call);
    if (error)
        answer->error = *error;
}

static const struct wr_transport_ops ops = {.on_end = on_end};

/* Answers after which OTLP wants the same request again (opentelemetry.io/docs/specs/otlp,
 * "Retryable Response Codes"), and requests that had none. */
static bool may_pass_later(const struct answer *answer)
{
    static const int statuses[] = {429, 502, 503, 504};

    if (answer->status == 0 || answer->status < 400)
        return answer->error.code == WR_E_UNAVAILABLE ||
               answer->error.code == WR_E_DEADLINE_EXCEEDED;
    for (size_t i = 0; i < WR_ARRAY_SIZE(statuses); i++)
        if (answer->status == statuses[i])
            return true;
    return false;
}

/* Until the answer is complete, or time is over. */
static int step_until_end(struct http *http, struct answer *answer, struct wr_error *err)
{
    uint64_t end = wr_mono_ms() + WR_EXPORT_TIMEOUT_MS;

    for (uint64_t now = wr_mono_ms(); !answer->ended; now = wr_mono_ms()) {
        if (now >= end)
            return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "no answer in %d ms",
                           WR_EXPORT_TIMEOUT_MS);
        int r = wr_transport_step(http->transport, (int)(end - now), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int http_send(void *self, const char *path, const struct wr_buf *body, struct wr_error *err)
{
    struct http *http = self;
    struct wr_transport_call *call = NULL;
    struct answer answer = {0};
    const struct wr_transport_request request = {
        .method = "POST",
        .target = path,
        .content_type = "application/json",
        .headers = http->headers,
        .header_count = http->header_count,
        .text_errors = true,
        .body = wr_buf_ptr(body),
        .body_len = body->len,
    };

    int r = wr_transport_begin(http->transport, &request, &ops, &answer, &call, &answer.error);
    if (r == 0) {
        r = step_until_end(http, &answer, &answer.error);
        if (!answer.ended)
            wr_transport_cancel(call);
    }
    if (answer.error.code == WR_OK)
        return 0;
    *err = answer.error;
    (void)wr_wrap(err, "collector");
    return may_pass_later(&answer) ? WR_EXPORT_AGAIN : -err->code;
}

/* ---- making one ---- */

/* Fields that belong to the connection or to the body. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {
        "Connection", "Content-Encoding", "Content-Length",    "Content-Type",
        "Host",       "Expect",           "Transfer-Encoding", "Upgrade"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (wr_strcaseeq(names[i], name))
            return true;
    return false;
}

static int add_header(const struct wr_otel_pair *pair, void *data, struct wr_error *err)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct http *http = data;

    if (!wr_str_only(pair->key, token, 1, 128) || is_ours(pair->key))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s cannot be a header of exports",
                       pair->key);
    for (const char *c = pair->value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "the value of header %.60s has control characters", pair->key);
    if (http->header_count == MAX_HEADERS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "more than %d headers", MAX_HEADERS);
    /* Pointers follow when all is there: the memory may move. */
    if (wr_buf_append(&http->text, pair->key, strlen(pair->key) + 1) < 0 ||
        wr_buf_append(&http->text, pair->value, strlen(pair->value) + 1) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "headers");
    http->header_count++;
    return 0;
}

static int take_headers(struct http *http, const char *headers, struct wr_error *err)
{
    int r = headers ? wr_otel_pairs_read(headers, add_header, http, err) : 0;
    const char *at = wr_buf_ptr(&http->text);

    if (r < 0)
        return wr_wrap(err, "OTLP headers");
    for (size_t i = 0; i < http->header_count; i++) {
        const char *value = at + strlen(at) + 1;
        http->headers[i] = (struct wr_transport_header){at, value};
        at = value + strlen(value) + 1;
    }
    return 0;
}

static int open_transport(struct http *http, const char *url, struct wr_error *err)
{
    struct wr_endpoint *endpoint = NULL;

    int r = wr_endpoint_new_url(url, "OTLP endpoint", &endpoint, err);
    if (r == 0)
        r = wr_transport_open(endpoint, &http->transport, err);
    wr_endpoint_free(endpoint);
    return r == 0 ? wr_transport_watch_cancel(http->transport, http->abort_fd, err) : r;
}

int wr_otlp_http_new(const char *url, const char *headers, struct wr_export_sender *ret,
                     struct wr_error *err)
{
    struct http *http = wr_calloc(1, sizeof *http);

    if (!http)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
    wr_buf_init(&http->text, WR_HTTP_MAX_HEAD / 2);
    http->text.wipe = true;
    http->abort_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = http->abort_fd < 0 ? wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "eventfd") : 0;
    if (r == 0)
        r = take_headers(http, headers, err);
    if (r == 0)
        r = open_transport(http, url, err);
    if (r < 0) {
        http_free(http);
        return r;
    }
    *ret = (struct wr_export_sender){
        .send = http_send, .abort = http_abort, .free = http_free, .self = http};
    return 0;
}
