#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"
#include "peer.h"
#include "test.h"

/* What the handler saw, for the checks. */
static struct seen {
    struct wr_exchange *ex;
    unsigned requests, closed, aborted, body_ends;
    size_t body_bytes;
    int hijacked;
    struct wr_buf rest, out;
} seen;

static void on_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    (void)ex;
    (void)data;
    (void)data_ptr;
    seen.body_bytes += len;
}

static void on_body_end(struct wr_exchange *ex, void *data_ptr)
{
    (void)ex;
    (void)data_ptr;
    seen.body_ends++;
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    (void)data_ptr;
    seen.closed++;
    seen.aborted += aborted;
    seen.ex = NULL;
    /* All of these must do nothing now. */
    CHECK_INT(wr_exchange_write(ex, "x", 1), WR_HTTP_GONE);
    wr_exchange_end(ex);
    wr_exchange_abort(ex);
}

static const struct wr_exchange_ops ops = {
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_close = on_close,
};

static void echo(struct wr_exchange *ex, const char *body, size_t len, void *data_ptr)
{
    (void)data_ptr;
    wr_exchange_reply(ex, 200, "text/plain", body, len);
}

static void handler(struct wr_exchange *ex, void *data)
{
    const char *path = wr_exchange_path(ex);

    (void)data;
    seen.requests++;
    seen.ex = ex;
    wr_exchange_set_ops(ex, &ops, NULL);
    if (strcmp(path, "/echo") == 0) {
        wr_exchange_collect(ex, 10, echo, on_close, NULL);
    } else if (strcmp(path, "/204") == 0) {
        wr_exchange_begin(ex, 204);
        wr_exchange_send(ex, "ignored", 7);
    } else if (strcmp(path, "/stream") == 0) {
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, -1);
        (void)wr_exchange_write(ex, "ab", 2);
        (void)wr_exchange_write(ex, "c", 1);
        wr_exchange_end(ex);
    } else if (strcmp(path, "/length") == 0) {
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, 3);
        (void)wr_exchange_write(ex, "abc", 3);
        wr_exchange_end(ex);
    } else if (strcmp(path, "/paused") == 0) {
        wr_exchange_pause(ex, true);
    } else if (strcmp(path, "/open") == 0) {
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, -1);
        (void)wr_exchange_write(ex, "a", 1);
    } else if (strcmp(path, "/bad-header") == 0) {
        wr_exchange_begin(ex, 200);
        wr_exchange_header(ex, "X", "a\r\nSet-Cookie: b");
        wr_exchange_send(ex, NULL, 0);
    } else if (strcmp(path, "/short") == 0) {
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, 3);
        (void)wr_exchange_write(ex, "ab", 2);
        wr_exchange_end(ex);
    } else if (strcmp(path, "/hijack") == 0) {
        wr_exchange_begin(ex, 101);
        wr_exchange_header(ex, "Connection", "Upgrade");
        wr_exchange_header(ex, "Upgrade", "raw");
        wr_buf_init(&seen.rest, 65536);
        wr_buf_init(&seen.out, 65536);
        seen.hijacked = wr_exchange_hijack(ex, &seen.rest, &seen.out);
    } else if (strcmp(path, "/headers") == 0) {
        wr_exchange_begin(ex, 200);
        wr_exchange_header(ex, "Content-Length", "99");
        wr_exchange_header(ex, "transfer-encoding", "chunked");
        wr_exchange_header(ex, "Connection", "close");
        wr_exchange_send(ex, "x", 1);
    } else if (strcmp(path, "/room") == 0) {
        wr_exchange_reply(ex, 200, "text/plain",
                          wr_exchange_has_room(ex, WR_HTTP_OUT_ALL) ? "y" : "n", 1);
    } else if (strcmp(path, "/large") == 0) {
        static const char large[1024 * 1024];
        wr_exchange_reply(ex, 200, "text/plain", large, sizeof large);
    } else if (strcmp(path, "/later") != 0) {
        wr_exchange_reply(ex, 200, "text/plain", path, strlen(path));
    }
}

static struct bench b;

static int start(enum transport transport)
{
    bench_start(&b, transport, (struct wr_http_server_opts){.handler = handler});
    return bench_connect(&b);
}

static void stop(int fd)
{
    (void)close(fd);
    bench_stop(&b);
    CHECK(seen.closed == seen.requests - (seen.hijacked > 0));
}

#define OK(len) "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " #len "\r\n\r\n"

TEST(keep_alive)
{
    int fd = start(OVER_UNIX);
    for (int i = 0; i < 3; i++)
        peer_expect(&b, fd, "GET /a%20b HTTP/1.1\r\nHost: x\r\n\r\n", OK(4) "/a b");
    CHECK_INT(wr_http_server_connections(b.server), 1);
    CHECK_INT(seen.closed, 3);
    CHECK_INT(seen.aborted, 0);
    CHECK_INT(seen.body_ends, 0); /* the response was out first */
    stop(fd);
}

TEST(http_1_0_and_close)
{
    int fd = start(OVER_UNIX);
    peer_expect(
        &b, fd, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n/a");
    peer_expect(&b, fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    CHECK(peer_at_end(&b, fd));
    (void)close(fd);
    fd = bench_connect(&b);
    peer_expect(&b, fd, "GET /length HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
    CHECK(peer_at_end(&b, fd));
    stop(fd);
}

TEST(responses_without_a_body)
{
    int fd = start(OVER_UNIX);
    peer_expect(&b, fd, "HEAD /length HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    peer_expect(&b, fd, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer_expect(&b, fd, "HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", OK(2));
    peer_expect(&b, fd, "GET /204 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n");
    peer_expect(
        &b, fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    stop(fd);
}

TEST(framing_fields_of_a_handler_are_left_out)
{
    int fd = start(OVER_UNIX);
    peer_expect(&b, fd, "GET /headers HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    CHECK(peer_at_end(&b, fd));
    stop(fd);
}

TEST(single_bytes)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\n";
    int fd = start(OVER_UNIX);
    for (size_t i = 0; i + 2 < sizeof(text); i++) {
        char c[2] = {text[i], '\0'};
        struct wr_error err = {0};
        peer_send(fd, c);
        CHECK_INT(wr_loop_step(b.loop, 0, &err), 0);
    }
    CHECK_INT(seen.closed, 0);
    peer_expect(&b, fd, "\n", OK(5) "abcde");
    stop(fd);
}

TEST(every_split_gives_the_same)
{
    static const char text[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
                               "GET /y HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = start(OVER_UNIX);
    for (size_t i = 1; i + 1 < sizeof(text); i++) {
        char first[sizeof(text)];
        struct wr_error err = {0};
        memcpy(first, text, i);
        first[i] = '\0';
        peer_send(fd, first);
        CHECK_INT(wr_loop_step(b.loop, 0, &err), 0);
        peer_expect(&b, fd, text + i, OK(5) "abcde" OK(2) "/y");
    }
    stop(fd);
}

TEST(pipelined_requests_wait_for_the_response)
{
    int fd = start(OVER_UNIX);
    peer_send(
        fd,
        "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n");
    bench_idle(&b, 30);
    CHECK_INT(seen.requests, 1);
    wr_exchange_reply(seen.ex, 200, "text/plain", "1", 1);
    peer_expect(&b, fd, "", OK(1) "1" OK(2) "/b" OK(2) "/c");
    stop(fd);
}

TEST(many_pipelined_requests)
{
    int fd = start(OVER_UNIX);
    static char got[16384];
    for (int i = 0; i < 100; i++)
        peer_send(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    size_t one = strlen(OK(2) "/b");
    CHECK_INT(peer_read(&b, fd, got, sizeof(got), 100 * one), 100 * one);
    CHECK_INT(seen.requests, 100);
    stop(fd);
}

TEST(continue_is_sent_when_the_body_is_wanted)
{
    int fd = start(OVER_UNIX);
    char got[64];
    peer_send(
        fd, "PUT /paused HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    bench_idle(&b, 30);
    CHECK(seen.ex != NULL);
    CHECK(recv(fd, got, sizeof(got), MSG_DONTWAIT) < 0);
    wr_exchange_pause(seen.ex, false);
    peer_expect(&b, fd, "", "HTTP/1.1 100 Continue\r\n\r\n");
    peer_send(fd, "abc");
    bench_idle(&b, 30);
    CHECK(seen.body_bytes == 3 && seen.body_ends == 1);
    wr_exchange_reply(seen.ex, 200, "text/plain", "ok", 2);
    peer_expect(&b, fd, "", OK(2) "ok");
    stop(fd);
}

TEST(no_continue_when_answered_at_once)
{
    int fd = start(OVER_UNIX);
    peer_expect(
        &b, fd, "PUT /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/x");
    CHECK(peer_at_end(&b, fd));
    stop(fd);
}

TEST(a_small_unread_body_keeps_the_connection)
{
    int fd = start(OVER_UNIX);
    peer_expect(
        &b, fd,
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /y HTTP/1.1\r\nHost: x\r\n\r\n",
        OK(2) "/x" OK(2) "/y");
    stop(fd);
}

TEST(a_large_unread_body_closes_the_connection)
{
    int fd = start(OVER_UNIX);
    peer_expect(
        &b, fd, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/x");
    CHECK(peer_at_end(&b, fd));
    stop(fd);
}

TEST(collect_limits)
{
    int fd = start(OVER_UNIX);
    char got[512];
    peer_expect(&b, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789",
                OK(10) "0123456789");
    peer_expect(&b, fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer_send(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890");
    (void)peer_read(&b, fd, got, sizeof(got), 24);
    CHECK(strncmp(got, "HTTP/1.1 413 ", 13) == 0);
    (void)close(fd);
    fd = bench_connect(&b);
    peer_send(
        fd,
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n567890\r\n");
    (void)peer_read(&b, fd, got, sizeof(got), 24);
    CHECK(strncmp(got, "HTTP/1.1 413 ", 13) == 0);
    stop(fd);
}

static void check_refused(const char *text, const char *status)
{
    int fd = bench_connect(&b);
    char got[1024];
    peer_send(fd, text);
    (void)peer_read(&b, fd, got, sizeof(got), sizeof(got));
    if (strncmp(got + 9, status, 3) != 0 || !strstr(got, "Connection: close"))
        wr_test_fail(__FILE__, __LINE__, "not %s: %s", status, got);
    (void)close(fd);
}

TEST(a_refused_head_is_answered_without_a_body)
{
    int fd = start(OVER_TCP);
    char got[1024];
    peer_send(fd, "HEAD /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz");
    size_t len = peer_read(&b, fd, got, sizeof(got), sizeof(got));
    CHECK(strncmp(got + 9, "400", 3) == 0);
    CHECK(len > 4 && strcmp(got + len - 4, "\r\n\r\n") == 0);
    stop(fd);
}

TEST(bad_requests_are_answered_and_closed)
{
    int fd = start(OVER_TCP);
    check_refused("GET / HTTP/1.1\r\n\r\n", "400");
    check_refused("GET / HTTP/3.0\r\n", "505");
    check_refused("\x16\x03\x01", "400");
    check_refused("POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz",
                  "400");
    CHECK_INT(seen.aborted, 1);
    static char big[WR_HTTP_MAX_HEAD + 64];
    memset(big, 'a', sizeof(big) - 1);
    memcpy(big, "GET / HTTP/1.1\r\nA:", 18);
    check_refused(big, "431");
    stop(fd);
}

static unsigned refused_with, gone;

static void on_refused(int status, const char *why, void *data)
{
    (void)data;
    CHECK(*why);
    refused_with = (unsigned)status;
}

static void on_gone(void *data)
{
    (void)data;
    gone++;
}

TEST(the_owner_hears_of_refusals_and_ends)
{
    char got[1024];
    bench_start(&b, OVER_TCP,
                (struct wr_http_server_opts){
                    .handler = handler, .on_refused = on_refused, .on_gone = on_gone});
    int fd = bench_connect(&b);
    peer_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)peer_read(&b, fd, got, sizeof(got), 90);
    CHECK(refused_with == 0 && gone == 0);
    peer_send(fd, "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n");
    (void)peer_read(&b, fd, got, sizeof(got), sizeof(got));
    CHECK_INT(refused_with, 501);
    (void)close(fd);
    for (unsigned i = 0; i < 100 && gone == 0; i++)
        bench_idle(&b, 20);
    CHECK_INT(gone, 1);
    fd = bench_connect(&b);
    peer_send(fd, "GET /paused HTTP/1.1\r\nHost: x\r\n\r\n");
    bench_idle(&b, 50);
    bench_stop(&b);
    CHECK_INT(gone, 2);
    (void)close(fd);
}

TEST(handler_mistakes_cut_the_connection)
{
    static const char *const paths[] = {"/bad-header", "/short"};
    int fd = start(OVER_TCP);
    for (size_t i = 0; i < WR_ARRAY_SIZE(paths); i++) {
        char request[64], got[256];
        int peer = bench_connect(&b);
        (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        peer_send(peer, request);
        (void)peer_read(&b, peer, got, sizeof(got), sizeof(got));
        CHECK(strstr(got, "Set-Cookie") == NULL);
        CHECK_INT(seen.aborted, i + 1);
        CHECK(peer_at_end(&b, peer));
        (void)close(peer);
    }
    stop(fd);
}

TEST(abort_by_the_handler)
{
    int fd = start(OVER_UNIX);
    peer_expect(&b, fd, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    wr_exchange_abort(seen.ex);
    CHECK_INT(seen.closed, 0); /* from the loop, not from inside */
    CHECK(peer_at_end(&b, fd));
    CHECK_INT(seen.aborted, 1);
    CHECK_INT(wr_http_server_connections(b.server), 0);
    stop(fd);
}

TEST(a_unix_peer_that_leaves_is_noticed_at_once)
{
    int fd = start(OVER_UNIX);
    peer_expect(&b, fd, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    (void)close(fd);
    bench_idle(&b, 20);
    CHECK_INT(seen.aborted, 1);
    stop(-1);
}

TEST(a_tcp_peer_that_leaves_is_noticed_by_writing)
{
    int fd = start(OVER_TCP);
    peer_expect(&b, fd, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    (void)close(fd);
    for (int i = 0; i < 5 && seen.ex; i++) {
        (void)wr_exchange_write(seen.ex, "b", 1);
        bench_idle(&b, 10);
    }
    CHECK_INT(seen.aborted, 1);
    stop(-1);
}

TEST(a_half_closed_peer_gets_its_response)
{
    for (enum transport t = OVER_UNIX; t <= OVER_TCP; t++) {
        memset(&seen, 0, sizeof(seen));
        int fd = start(t);
        peer_send(fd, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
        (void)shutdown(fd, SHUT_WR);
        bench_idle(&b, 30);
        CHECK(seen.ex && wr_exchange_write(seen.ex, "b", 1) == WR_HTTP_MORE);
        bench_idle(&b, 10);
        CHECK(seen.ex != NULL);
        wr_exchange_end(seen.ex);
        peer_expect(
            &b, fd, "",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
        CHECK(peer_at_end(&b, fd));
        CHECK_INT(seen.aborted, 0);
        stop(fd);
    }
}

TEST(an_end_inside_the_body_is_an_abort)
{
    int fd = start(OVER_TCP);
    peer_send(fd, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc");
    (void)shutdown(fd, SHUT_WR);
    bench_idle(&b, 30);
    CHECK(seen.aborted == 1 && seen.body_bytes == 3 && seen.body_ends == 0);
    stop(fd);
}

TEST(timeouts)
{
    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){
                    .handler = handler, .head_timeout_ms = 60, .idle_timeout_ms = 120});
    int slow = bench_connect(&b), idle = bench_connect(&b), busy = bench_connect(&b);
    char got[512];
    peer_send(slow, "GET / HTTP/1.1\r\n");
    peer_send(busy, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    bench_idle(&b, 10);
    CHECK_INT(wr_http_server_connections(b.server), 3);
    (void)peer_read(&b, slow, got, sizeof(got), sizeof(got));
    CHECK(strncmp(got, "HTTP/1.1 408 ", 13) == 0);
    (void)close(slow);
    CHECK(peer_at_end(&b, idle));
    (void)close(idle);
    bench_idle(&b, 60);
    CHECK_INT(wr_http_server_connections(b.server), 1); /* a running exchange has no timeout */
    stop(busy);
}

/* A client that waits for its response ends its stream: only where that is taken for its end. */
TEST(end_of_the_stream_aborts_if_asked_for)
{
    static const enum transport transports[] = {OVER_UNIX, OVER_TCP};

    for (size_t i = 0; i < 2 * WR_ARRAY_SIZE(transports); i++) {
        bool aborts = i % 2 == 1;
        seen = (struct seen){0};
        bench_start(&b, transports[i / 2],
                    (struct wr_http_server_opts){.handler = handler, .eof_aborts = aborts});
        int fd = bench_connect(&b);
        peer_send(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
        bench_idle(&b, 20);
        CHECK_INT(seen.closed, 0);
        (void)shutdown(fd, SHUT_WR);
        bench_idle(&b, 20);
        CHECK_INT(seen.aborted, aborts);
        CHECK_INT(wr_http_server_connections(b.server), !aborts);
        stop(fd);
    }
}

/* Requests that wait behind a running exchange are found again when it is over. */
TEST(surplus_input_waits)
{
    bench_start(&b, OVER_TCP, (struct wr_http_server_opts){.handler = handler, .eof_aborts = true});
    int fd = bench_connect(&b);
    for (int i = 0; i < 3; i++) {
        peer_send(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
        bench_idle(&b, 5);
        peer_send(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
        bench_idle(&b, 5);
        wr_exchange_reply(seen.ex, 200, "text/plain", "a", 1);
        peer_expect(&b, fd, "", OK(1) "a" OK(2) "/b");
    }
    stop(fd);
}

static int start_with_stall(const char *request)
{
    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){.handler = handler, .stall_timeout_ms = 80});
    int fd = bench_connect(&b);
    peer_send(fd, request);
    return fd;
}

TEST(a_body_that_stops_is_cut)
{
    static const char *const unfinished[] = {
        "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
        "POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(unfinished); i++) {
        seen = (struct seen){0};
        int fd = start_with_stall(unfinished[i]);
        bench_idle(&b, 40);
        CHECK_INT(wr_http_server_connections(b.server), 1);
        bench_idle(&b, 120);
        CHECK_INT(wr_http_server_connections(b.server), 0);
        CHECK(seen.closed == 1 && seen.aborted == 1);
        stop(fd);
    }
}

TEST(silence_is_no_stall)
{
    static const char *const silent[] = {
        "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "POST /paused HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(silent); i++) {
        int fd = start_with_stall(silent[i]);
        bench_idle(&b, 250);
        CHECK_INT(wr_http_server_connections(b.server), 1);
        stop(fd);
    }
}

TEST(a_slow_body_is_no_stall)
{
    int fd = start_with_stall("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");

    for (int i = 0; i < 6; i++) {
        bench_idle(&b, 40);
        peer_send(fd, "a");
    }
    bench_idle(&b, 20);
    CHECK_INT(wr_http_server_connections(b.server), 1);
    bench_idle(&b, 160);
    CHECK_INT(wr_http_server_connections(b.server), 0);
    stop(fd);
}

TEST(connection_limit)
{
    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){.handler = handler, .max_connections = 2});
    int first = bench_connect(&b), second = bench_connect(&b);
    peer_send(first, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    bench_idle(&b, 20);
    peer_send(second, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    bench_idle(&b, 20);
    int third = bench_connect(&b);
    CHECK(peer_at_end(&b, third));
    CHECK_INT(wr_http_server_connections(b.server), 2);
    (void)close(second);
    (void)close(third);
    bench_idle(&b, 20);
    second = bench_connect(&b);
    peer_expect(&b, second, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", OK(2) "/a");
    (void)close(second);
    stop(first);
}

TEST(who_says_nothing_makes_room)
{
    char out[256];

    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){.handler = handler, .max_connections = 3});
    int busy = bench_connect(&b), used = bench_connect(&b), half = bench_connect(&b);
    peer_send(busy, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_send(half, "GET /a HT");
    bench_idle(&b, 20);
    peer_expect(&b, used, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", OK(2) "/b");
    /* The one in the middle of a head has waited longest, then the one that was served. */
    int first = bench_connect(&b);
    peer_expect(&b, first, "GET /c HTTP/1.1\r\nHost: x\r\n\r\n", OK(2) "/c");
    CHECK(peer_at_end(&b, half));
    int second = bench_connect(&b);
    peer_expect(&b, second, "GET /d HTTP/1.1\r\nHost: x\r\n\r\n", OK(2) "/d");
    CHECK(peer_at_end(&b, used));
    CHECK_INT(wr_http_server_connections(b.server), 3);
    CHECK_INT(peer_read(&b, busy, out, sizeof out, 0), 0);
    (void)close(half);
    (void)close(used);
    (void)close(first);
    (void)close(second);
    stop(busy);
}

/* Its response is out; what is left is the rest of a request that nobody wants. */
TEST(who_was_served_makes_room)
{
    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){.handler = handler, .max_connections = 1});
    int served = bench_connect(&b);
    peer_expect(&b, served, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
                OK(2) "/a");
    int other = bench_connect(&b);
    peer_expect(&b, other, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", OK(2) "/b");
    CHECK(peer_at_end(&b, served));
    (void)close(served);
    stop(other);
}

TEST(who_takes_nothing_makes_room_after_a_while)
{
    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){
                    .handler = handler, .max_connections = 1, .stall_timeout_ms = 3000});
    int slow = bench_connect(&b);
    peer_send(slow, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    bench_idle(&b, 20);
    int early = bench_connect(&b);
    bench_idle(&b, 20);
    CHECK_INT(seen.closed, 0);
    bench_idle(&b, 1600);
    int late = bench_connect(&b);
    peer_expect(&b, late, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", OK(2) "/b");
    CHECK_INT(seen.aborted, 1);
    (void)close(slow);
    (void)close(early);
    stop(late);
}

TEST(large_responses_that_wait_are_bounded)
{
    static const char room[] = "GET /room HTTP/1.1\r\nHost: x\r\n\r\n";

    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){.handler = handler, .stall_timeout_ms = 3000});
    int slow = bench_connect(&b), other = bench_connect(&b);
    peer_expect(&b, other, room, OK(1) "y");
    peer_send(slow, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    bench_idle(&b, 20);
    peer_expect(&b, other, room, OK(1) "n");
    CHECK_INT(seen.aborted, 0);
    /* Whoever takes nothing of its own does not keep others from theirs for long. */
    bench_idle(&b, 1600);
    peer_expect(&b, other, room, OK(1) "y");
    CHECK_INT(seen.aborted, 1);
    (void)close(slow);
    stop(other);
}

TEST(hijack_hands_over_everything)
{
    int fd = start(OVER_UNIX);
    peer_send(
        fd, "GET /hijack HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\nearly");
    bench_idle(&b, 20);
    CHECK(seen.hijacked > 0);
    CHECK_STR(wr_buf_cstr(&seen.rest), "early");
    CHECK_STR(wr_buf_cstr(&seen.out),
              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n");
    CHECK_INT(wr_http_server_connections(b.server), 0);
    peer_send(fd, "more");
    char got[8] = "";
    CHECK_INT(recv(seen.hijacked, got, sizeof(got), MSG_DONTWAIT), 4);
    CHECK_INT(seen.closed, 0);
    wr_buf_done(&seen.rest);
    wr_buf_done(&seen.out);
    (void)close(seen.hijacked);
    stop(fd);
}

TEST(free_with_open_exchanges)
{
    int fd = start(OVER_UNIX), other = bench_connect(&b);
    peer_send(fd, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_send(other, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    bench_idle(&b, 20);
    b.server = wr_http_server_free(b.server);
    CHECK(seen.aborted == 2 && seen.closed == 2);
    (void)close(other);
    stop(fd);
}

static void freeing_handler(struct wr_exchange *ex, void *data)
{
    struct wr_http_server **server = data;
    wr_exchange_set_ops(ex, &ops, NULL);
    seen.requests++;
    *server = wr_http_server_free(*server);
}

TEST(free_inside_a_handler)
{
    bench_start(&b, OVER_UNIX,
                (struct wr_http_server_opts){.handler = freeing_handler, .data = &b.server});
    int fd = bench_connect(&b);
    peer_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(peer_at_end(&b, fd));
    CHECK(b.server == NULL && seen.aborted == 1);
    stop(fd);
}
