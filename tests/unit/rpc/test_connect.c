#include <errno.h>
#include <unistd.h>

#include "peer.h"
#include "rpc/connect.h"
#include "test.h"

static struct wr_error err;

static ssize_t read_envelope(const char *data, size_t len)
{
    struct wr_envelope envelope = {0};
    return wr_envelope_read(data, len, WR_CONNECT_END_STREAM, &envelope, &err);
}

TEST(envelopes)
{
    wr_auto_buf out = WR_BUF(64);
    struct wr_envelope e = {0};

    CHECK_INT(wr_envelope_write(&out, WR_CONNECT_END_STREAM, "{}", 2), 0);
    CHECK(out.len == 7 && memcmp(wr_buf_ptr(&out), "\x02\0\0\0\x02{}", 7) == 0);
    for (size_t n = 0; n < 7; n++)
        CHECK_INT(read_envelope(wr_buf_ptr(&out), n), 0);
    CHECK_INT(wr_envelope_read(wr_buf_ptr(&out), 7, WR_CONNECT_END_STREAM, &e, &err), 7);
    CHECK(e.flags == 2 && e.len == 2 && memcmp(e.payload, "{}", 2) == 0);

    CHECK_INT(read_envelope("\x01", 1), -WR_E_UNIMPLEMENTED);
    CHECK_INT(read_envelope("\x04", 1), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(read_envelope("\0\0\x80\0\0", 5), 0); /* 8 MiB */
    CHECK_INT(read_envelope("\0\0\x80\0\x01", 5), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(read_envelope("\0\xff\xff\xff\xff", 5), -WR_E_RESOURCE_EXHAUSTED);
    wr_auto_buf small = WR_BUF(6);
    CHECK_INT(wr_envelope_write(&small, 0, "{}", 2), -ENOBUFS);
}

static uint64_t timeout_ms;

static void unary(const struct wr_connect_call *call, void *data)
{
    (void)data;
    timeout_ms = call->timeout_ms;
    if (json_object_get(call->request, "fail")) {
        (void)wr_fail(&err, WR_E_NOT_FOUND, 0, "no \"thing\"");
        wr_connect_fail(&call->out, &err);
    } else {
        wr_connect_reply(&call->out, NULL, 0);
    }
}

static void streaming(const struct wr_connect_call *call, void *data)
{
    (void)data;
    wr_connect_stream_start(&call->out);
    (void)wr_connect_stream_message(&call->out, "{\"n\":1}", 7);
    (void)wr_fail(&err, WR_E_ABORTED, 0, "enough");
    wr_connect_stream_end(&call->out, json_object_get(call->request, "fail") ? &err : NULL);
}

static const struct wr_proto_field fields[] = {
    {.name = "fail", .json_name = "fail", .number = 1, .kind = WR_PROTO_UINT32},
    {.name = "n", .json_name = "n", .number = 2, .kind = WR_PROTO_UINT32},
    {.name = "long_name", .json_name = "longName", .number = 3, .kind = WR_PROTO_STRING},
};
static const struct wr_proto_message message = {"t.M", fields, WR_ARRAY_SIZE(fields)};

static const struct wr_connect_method methods[] = {
    {"/t.T/Unary", WR_CONNECT_UNARY, &message, &message, unary},
    {"/t.T/Stream", WR_CONNECT_SERVER_STREAM, &message, &message, streaming},
};

static void handler(struct wr_exchange *ex, void *data)
{
    if (!wr_connect_dispatch(methods, WR_ARRAY_SIZE(methods), ex, data))
        wr_exchange_reply(ex, 404, "text/plain", "-", 1);
}

static struct bench b;

/* Sends one request and reads what comes; the connection is new each time. */
static const char *ask(const char *request_line, const char *headers, const char *body, size_t len)
{
    static char got[2048];
    char text[1024];
    int fd = bench_connect(&b);
    int n = snprintf(text, sizeof(text),
                     "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
                     request_line, headers, len);
    memcpy(text + n, body, len);
    CHECK_INT(write(fd, text, (size_t)n + len), (size_t)n + len);
    size_t used = peer_read(&b, fd, got, sizeof(got), sizeof(got));
    for (size_t i = 0; i < used; i++)
        if (got[i] == '\0')
            got[i] = '.';
    (void)close(fd);
    return got;
}

static void check_answer(const char *got, int status, const char *part)
{
    char start[32];
    (void)snprintf(start, sizeof(start), "HTTP/1.1 %d ", status);
    if (strncmp(got, start, strlen(start)) != 0 || !strstr(got, part))
        wr_test_fail(__FILE__, __LINE__, "not %d with %s:\n%s", status, part, got);
}

#define JSON   "Content-Type: application/json\r\n"
#define STREAM "Content-Type: application/connect+json\r\n"

#define PROTO        "Content-Type: application/proto\r\n"
#define PROTO_STREAM "Content-Type: application/connect+proto\r\n"

/* {} */
static const char gzipped[] = "\x1f\x8b\x08\0\0\0\0\0\x02\xff\xab\xae\x05\0\x43\xbf\xa6\xa3\x02"
                              "\0\0\0";

TEST(unary_calls)
{
    bench_start(&b, OVER_UNIX, (struct wr_http_server_opts){.handler = handler});
    check_answer(ask("POST /t.T/Unary", JSON, "{}", 2), 200, "\r\n\r\n{}");
    CHECK_INT(timeout_ms, 0);
    check_answer(
        ask("POST /t.T/Unary",
            "Content-Type: application/json; charset=utf-8\r\nConnect-Timeout-Ms: 1500\r\n", "{}",
            2),
        200, "\r\n\r\n{}");
    CHECK_INT(timeout_ms, 1500);
    check_answer(ask("POST /t.T/Unary", JSON, "{\"fail\":1}", 10), 404,
                 "{\"code\":\"not_found\",\"message\":\"no \\\"thing\\\"\"}");
    check_answer(ask("POST /t.T/Unary", JSON, "{", 1), 400, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Unary", JSON, "[]", 2), 400, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Unary", JSON, "", 0), 400, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Unary", JSON "Connect-Timeout-Ms: -1\r\n", "{}", 2), 400,
                 "Connect-Timeout-Ms");
    check_answer(ask("POST /t.T/Unary", JSON "Connect-Timeout-Ms: 12345678901\r\n", "{}", 2), 400,
                 "Connect-Timeout-Ms");
    check_answer(ask("POST /t.T/Unary", JSON "Content-Encoding: br\r\n", "{}", 2), 501,
                 "\"unimplemented\"");
    check_answer(ask("POST /t.T/Unary", JSON "Content-Encoding: gzip\r\n", "{}", 2), 400,
                 "\"invalid_argument\"");
    check_answer(
        ask("POST /t.T/Unary", JSON "Content-Encoding: gzip\r\n", gzipped, sizeof(gzipped) - 1),
        200, "\r\n\r\n{}");
    check_answer(ask("POST /t.T/Unary", STREAM, "{}", 2), 415, "Accept-Post: application/json");
    check_answer(ask("POST /t.T/Unary", STREAM, "{}", 2), 415, "Accept-Post: application/proto");
    check_answer(ask("POST /t.T/Unary", "", "{}", 2), 415, "");
    check_answer(ask("GET /t.T/Unary", "", "", 0), 405, "Allow: POST");
    check_answer(ask("POST /t.T/Unknown", JSON, "{}", 2), 404, "");
    bench_stop(&b);
}

TEST(streaming_calls)
{
    bench_start(&b, OVER_UNIX, (struct wr_http_server_opts){.handler = handler});
    check_answer(ask("POST /t.T/Stream", STREAM, "\0\0\0\0\2{}", 7), 200,
                 "Content-Type: application/connect+json\r\n");
    const char *got = ask("POST /t.T/Stream", STREAM, "\0\0\0\0\2{}\2\0\0\0\2{}", 14);
    check_answer(got, 200, "7\r\n{\"n\":1}\r\n");
    check_answer(got, 200, "2\r\n{}\r\n0\r\n\r\n");
    check_answer(ask("POST /t.T/Stream", STREAM, "\0\0\0\0\12{\"fail\":1}", 15), 200,
                 "{\"error\":{\"code\":\"aborted\",\"message\":\"enough\"}}\r\n0\r\n\r\n");
    /* Failures before the handler come as a stream too. */
    check_answer(ask("POST /t.T/Stream", STREAM, "\0\0\0\0\2{", 6), 200, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Stream", STREAM, "\1\0\0\0\2{}", 7), 200, "\"unimplemented\"");
    check_answer(ask("POST /t.T/Stream", STREAM, "\2\0\0\0\2{}", 7), 200, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Stream", STREAM, "", 0), 200, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Stream", STREAM "Connect-Timeout-Ms: x\r\n", "\0\0\0\0\2{}", 7),
                 200, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Stream", JSON, "{}", 2), 415,
                 "Accept-Post: application/connect+json");
    bench_stop(&b);
}

/* Requests and messages are binary, errors and the end of a stream are JSON as ever. */
TEST(binary_calls)
{
    bench_start(&b, OVER_UNIX, (struct wr_http_server_opts){.handler = handler});
    const char *got = ask("POST /t.T/Unary", PROTO, "\x1a\x01x", 3);
    check_answer(got, 200, "Content-Type: application/proto\r\n");
    check_answer(got, 200, "Content-Length: 0\r\n");
    check_answer(ask("POST /t.T/Unary", PROTO, "", 0), 200, "Content-Length: 0\r\n");
    got = ask("POST /t.T/Unary", PROTO, "\x08\x01", 2);
    check_answer(got, 404, "{\"code\":\"not_found\",\"message\":");
    check_answer(got, 404, "Content-Type: application/json\r\n");
    check_answer(ask("POST /t.T/Unary", PROTO, "\x08", 1), 400, "\"invalid_argument\"");
    check_answer(ask("POST /t.T/Unary", PROTO_STREAM, "", 0), 415, "");

    got = ask("POST /t.T/Stream", PROTO_STREAM, "\0\0\0\0\0", 5);
    check_answer(got, 200, "Content-Type: application/connect+proto\r\n");
    check_answer(got, 200, "5\r\n....\2\r\n2\r\n\x10\1\r\n"); /* n = 1 */
    check_answer(got, 200, "5\r\n\2...\2\r\n2\r\n{}\r\n0\r\n\r\n");
    check_answer(ask("POST /t.T/Stream", PROTO_STREAM, "\0\0\0\0\2\x08\x01", 7), 200,
                 "{\"error\":{\"code\":\"aborted\",\"message\":\"enough\"}}\r\n0\r\n\r\n");
    check_answer(ask("POST /t.T/Stream", PROTO_STREAM "Connect-Content-Encoding: gzip\r\n",
                     "\1\0\0\0\2{}", 7),
                 200, "\"invalid_argument\"");
    bench_stop(&b);
}

TEST(requests_are_normalised)
{
    bench_start(&b, OVER_UNIX, (struct wr_http_server_opts){.handler = handler});
    check_answer(ask("POST /t.T/Unary", JSON, "{\"fail\":\"1\"}", 12), 404, "\"not_found\"");
    check_answer(ask("POST /t.T/Unary", JSON, "{\"fail\":null,\"x\":1}", 19), 200, "{}");
    check_answer(ask("POST /t.T/Unary", JSON, "{\"fail\":\"x\"}", 12), 400, "fail");
    /* A small body must not become a large tree. */
    bench_stop(&b);
}

/* A small body must not become a large tree. */
TEST(values_of_a_message_are_counted)
{
    static char many[2 * WR_PROTO_MAX_VALUES + 16];
    const int rest = WR_PROTO_MAX_VALUES - 3; /* the object, the array and its last element */

    for (int more = 0; more < 2; more++) {
        json_t *json = NULL;
        size_t len = (size_t)snprintf(many, sizeof(many), "{\"x\":[");
        for (int i = 0; i < rest + more; i++)
            memcpy(many + len + (size_t)2 * (size_t)i, "0,", 2);
        len += (size_t)2 * (size_t)(rest + more);
        memcpy(many + len, "0]}", 3);
        const struct wr_envelope envelope = {0, many, len + 3};
        CHECK_INT(wr_connect_parse(&message, WR_CODEC_JSON, &envelope, &json, &err),
                  more ? -WR_E_RESOURCE_EXHAUSTED : 0);
        json_decref(json);
    }
}

TEST(a_peer_that_leaves_before_its_message_costs_nothing)
{
    bench_start(&b, OVER_UNIX, (struct wr_http_server_opts){.handler = handler});
    int fd = bench_connect(&b);
    peer_send(fd, "POST /t.T/Unary HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 5\r\n\r\n{");
    bench_idle(&b, 20);
    (void)close(fd);
    bench_idle(&b, 20);
    CHECK_INT(wr_http_server_connections(b.server), 0);
    bench_stop(&b);
}
