/* Client-streaming calls: messages as they arrive, held back, and every way to end. */
#include <unistd.h>

#include "base/alloc.h"
#include "peer.h"
#include "rpc/proto_table.h"
#include "rpc/receive.h"
#include "test.h"

static const struct wr_proto_field fields[] = {WR_PB_SCALAR("n", "n", 1, WR_PROTO_UINT32)};
static const struct wr_proto_message message = WR_PB_MESSAGE("t.M", fields);

static struct bench b;
static struct wr_error err;
static struct wr_connect_in *in;
static int sum, messages, ends, closes, fail_at, pause_at;

static void on_message(struct wr_connect_in *from, json_t *json, void *data)
{
    (void)data;
    messages++;
    sum += (int)json_integer_value(json_object_get(json, "n"));
    if (messages == fail_at) {
        (void)wr_fail(&err, WR_E_ABORTED, 0, "enough");
        wr_connect_in_fail(from, &err);
        wr_connect_in_fail(from, &err); /* the first one counts */
        wr_connect_in_reply(from);
    }
    if (messages == pause_at)
        wr_connect_in_pause(from, true);
}

static void on_end(struct wr_connect_in *from, void *data)
{
    (void)data;
    ends++;
    wr_connect_in_reply(from);
}

static void on_close(void *data)
{
    (void)data;
    closes++;
    in = NULL;
}

static void receive(const struct wr_connect_call *call, void *data)
{
    static const struct wr_connect_in_ops ops = {
        .on_message = on_message, .on_end = on_end, .on_close = on_close};

    CHECK(call->request == NULL);
    CHECK_INT(wr_connect_receive(call, &ops, data, &in, &err), 0);
}

static const struct wr_connect_method methods[] = {
    {"/t.T/In", WR_CONNECT_CLIENT_STREAM, &message, &message, receive},
};

static void handler(struct wr_exchange *ex, void *data)
{
    CHECK(wr_connect_dispatch(methods, 1, ex, data));
}

/* A new call; what is sent afterwards is the body's. */
static int start(const char *headers)
{
    bench_start(&b, OVER_UNIX, (struct wr_http_server_opts){.handler = handler});
    int fd = bench_connect(&b);
    peer_send(fd, "POST /t.T/In HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Transfer-Encoding: chunked\r\n");
    peer_send(fd, headers);
    peer_send(fd, "\r\n");
    bench_idle(&b, 10);
    CHECK(in != NULL);
    return fd;
}

#define JSON  "Content-Type: application/connect+json\r\n"
#define PROTO "Content-Type: application/connect+proto\r\n"

static void chunk(int fd, const void *bytes, size_t len)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "%zx\r\n", len);

    memcpy(text + n, bytes, len);
    memcpy(text + n + len, "\r\n", 2);
    CHECK_INT(write(fd, text, (size_t)n + len + 2), n + (int)len + 2);
    bench_idle(&b, 10);
}
#define SEND(fd, text) chunk(fd, text, sizeof(text) - 1)

static const char *answer(int fd)
{
    static char got[2048];
    size_t used = peer_read(&b, fd, got, sizeof(got), sizeof(got));

    for (size_t i = 0; i < used; i++)
        if (got[i] == '\0')
            got[i] = '.';
    (void)close(fd);
    bench_idle(&b, 10);
    CHECK_INT(closes, 1);
    bench_stop(&b);
    return got;
}

static void check_part(const char *got, const char *part)
{
    if (!strstr(got, part))
        wr_test_fail(__FILE__, __LINE__, "no %s in\n%s", part, got);
}

TEST(messages_arrive_one_by_one)
{
    int fd = start(JSON);
    SEND(fd, "\0\0\0\0\7{\"n\":1}");
    CHECK_INT(sum, 1);
    SEND(fd, "\0\0\0\0\7{\"n\":2}\0\0\0\0\7{\"n\":4}\0\0");
    CHECK_INT(sum, 7);
    SEND(fd, "\0\0\2{}");
    CHECK_INT(messages, 4);
    CHECK_INT(ends, 0);
    peer_send(fd, "0\r\n\r\n");
    const char *got = answer(fd);
    CHECK_INT(ends, 1);
    check_part(got, "HTTP/1.1 200 ");
    check_part(got, "Content-Type: application/connect+json\r\n");
    check_part(got, "2\r\n{}\r\n5\r\n\2...\2\r\n2\r\n{}\r\n0\r\n\r\n"); /* the message, the end */
}

TEST(in_binary)
{
    int fd = start(PROTO);
    SEND(fd, "\0\0\0\0\2\x08\x07");
    CHECK_INT(sum, 7);
    SEND(fd, "\0\0\0\0\0");
    CHECK_INT(messages, 2);
    peer_send(fd, "0\r\n\r\n");
    const char *got = answer(fd);
    check_part(got, "Content-Type: application/connect+proto\r\n");
    check_part(got,
               "\r\n5\r\n.....\r\n5\r\n\2...\2\r\n2\r\n{}\r\n"); /* an empty message, the end */
}

TEST(the_end_may_be_an_envelope)
{
    int fd = start(JSON);
    SEND(fd, "\0\0\0\0\7{\"n\":1}\2\0\0\0\2{}\0\0\0\0\7{\"n\":9}");
    CHECK_INT(sum, 1);
    CHECK_INT(ends, 1);
    check_part(answer(fd), "2\r\n{}\r\n");
}

TEST(a_receiver_that_pauses_gets_nothing_until_it_goes_on)
{
    pause_at = 1;
    int fd = start(JSON);
    SEND(fd, "\0\0\0\0\7{\"n\":1}\0\0\0\0\7{\"n\":2}");
    SEND(fd, "\0\0\0\0\7{\"n\":4}");
    peer_send(fd, "0\r\n\r\n");
    bench_idle(&b, 20);
    CHECK_INT(sum, 1);
    pause_at = 2;
    wr_connect_in_pause(in, false);
    CHECK_INT(sum, 1); /* never from inside */
    bench_idle(&b, 20);
    CHECK_INT(sum, 3);
    CHECK_INT(ends, 0);
    wr_connect_in_pause(in, false);
    bench_idle(&b, 20);
    CHECK_INT(sum, 7);
    CHECK_INT(ends, 1);
    (void)answer(fd);
}

TEST(a_paused_sender_is_held_back)
{
    static char big[65536];
    size_t sent = 0;
    pause_at = 1;
    int fd = start(JSON);
    SEND(fd, "\0\0\0\0\7{\"n\":1}");
    for (int i = 0; i < 1000; i++) {
        ssize_t n = write(fd, big, sizeof(big));
        if (n < 0)
            break;
        sent += (size_t)n;
        bench_idle(&b, 1);
    }
    CHECK(sent < 8 * WR_MIB); /* what fits into the buffers of the socket */
    (void)close(fd);
    bench_idle(&b, 20);
    CHECK_INT(closes, 1);
    bench_stop(&b);
}

TEST(a_failure_ends_the_call_before_the_client_does)
{
    fail_at = 2;
    int fd = start(JSON);
    SEND(fd, "\0\0\0\0\7{\"n\":1}\0\0\0\0\7{\"n\":2}\0\0\0\0\7{\"n\":4}");
    CHECK_INT(sum, 3);
    CHECK_INT(ends, 0);
    check_part(answer(fd), "{\"error\":{\"code\":\"aborted\",\"message\":\"enough\"}}");
}

TEST(broken_messages_end_the_call)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *code;
    } rows[] = {
        {"\0\0\0\0\1{", 6, "invalid_argument"},
        {"\0\0\0\0\11{\"n\":\"x\"}", 14, "invalid_argument"},
        {"\4\0\0\0\2{}", 7, "invalid_argument"},
        {"\1\0\0\0\2{}", 7, "unimplemented"},
        {"\0\xff\0\0\0", 5, "resource_exhausted"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        closes = 0;
        int fd = start(JSON);
        chunk(fd, rows[i].bytes, rows[i].len);
        check_part(answer(fd), rows[i].code);
    }
    closes = 0;
    int fd = start(JSON);
    SEND(fd, "\0\0\0\0\7{\"n");
    peer_send(fd, "0\r\n\r\n");
    check_part(answer(fd), "invalid_argument"); /* cut */
    CHECK_INT(ends, 0);
    CHECK_INT(messages, 0);
}

TEST(compressed_messages)
{
    int fd = start(JSON "Connect-Content-Encoding: gzip\r\n");
    SEND(fd, "\1\0\0\0\x16\x1f\x8b\x08\0\0\0\0\0\x02\xff\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0"
             "\0\0\0\0\7{\"n\":2}");
    CHECK_INT(messages, 2);
    peer_send(fd, "0\r\n\r\n");
    (void)answer(fd);
}

TEST(the_deadline_ends_the_call)
{
    int fd = start(JSON "Connect-Timeout-Ms: 50\r\n");
    SEND(fd, "\0\0\0\0\7{\"n\":1}");
    check_part(answer(fd), "deadline_exceeded");
    CHECK_INT(ends, 0);
}

TEST(a_client_that_leaves)
{
    int fd = start(JSON);
    SEND(fd, "\0\0\0\0\7{\"n\":1}\0");
    (void)close(fd);
    bench_idle(&b, 20);
    CHECK_INT(closes, 1);
    CHECK_INT(ends, 0);
    CHECK_INT(wr_http_server_connections(b.server), 0);
    bench_stop(&b);
}
