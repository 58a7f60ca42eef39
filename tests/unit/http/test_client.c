#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/client.h"
#include "peer.h"
#include "test.h"

static struct seen {
    unsigned heads, ends;
    int status;
    char body[256];
    size_t body_len;
    bool ended, failed;
    struct wr_error err;
    bool arrived; /* with the head */
    unsigned lost;
    int hijacked;
    struct wr_buf rest, out;
} seen;

static void on_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    (void)data;
    seen.heads++;
    seen.status = head->status;
    seen.arrived = wr_http_call_arrived(call);
    if (head->status == 101) {
        wr_buf_init(&seen.rest, 65536);
        wr_buf_init(&seen.out, 65536);
        seen.hijacked = wr_http_call_hijack(call, &seen.rest, &seen.out);
    }
}

static void on_body(struct wr_http_call *call, const char *data_ptr, size_t len, void *data)
{
    (void)call;
    (void)data;
    CHECK(seen.body_len + len < sizeof(seen.body));
    memcpy(seen.body + seen.body_len, data_ptr, len);
    seen.body_len += len;
}

static void on_end(struct wr_http_call *call, const struct wr_error *err, void *data)
{
    (void)call;
    (void)data;
    CHECK(!seen.ended);
    seen.ended = true;
    seen.ends++;
    seen.failed = err != NULL;
    if (err)
        seen.err = *err;
}

static const struct wr_http_call_ops ops = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end};

static void on_lost(struct wr_http_conn *conn, void *data)
{
    (void)data;
    seen.lost++;
    (void)wr_http_conn_free(conn);
}

/* The other end is a plain socket that this test plays. */
static struct bench b;
static int peer;

static struct wr_http_conn *start(void)
{
    struct wr_http_conn *conn = NULL;
    struct wr_error err = {0};
    int fds[2];

    b = (struct bench){0};
    CHECK_INT(wr_loop_new(&b.loop, &err), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    peer = fds[1];
    CHECK_INT(wr_http_conn_new(b.loop, fds[0], NULL, 0, &conn, &err), 0);
    return conn;
}

static struct wr_http_call *begin(struct wr_http_conn *conn, const char *method)
{
    struct wr_http_call *call = NULL;
    struct wr_error err = {0};
    seen.ended = seen.failed = false;
    seen.body_len = 0;
    memset(seen.body, 0, sizeof(seen.body));
    CHECK_INT(wr_http_call_begin(conn, method, "/t", &ops, NULL, &call, &err), 0);
    wr_http_call_header(call, "Host", "x");
    return call;
}

static void check_end(const char *body)
{
    CHECK(bench_run(&b, &seen.ended, 1000));
    if (seen.failed)
        wr_test_fail(__FILE__, __LINE__, "failed: %s", seen.err.msg);
    CHECK_STR(seen.body, body);
}

static void check_failure(void)
{
    CHECK(bench_run(&b, &seen.ended, 1000));
    CHECK(seen.failed && seen.err.msg[0]);
}

TEST(calls_one_after_the_other)
{
    struct wr_http_conn *conn = start();
    struct wr_http_call *call = begin(conn, "GET");
    CHECK(!wr_http_conn_idle(conn));
    wr_http_call_send(call, NULL, 0);
    peer_expect(&b, peer, "", "GET /t HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_send(peer,
              "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    check_end("abc");
    CHECK(wr_http_conn_idle(conn));
    CHECK_INT(seen.heads, 1);

    call = begin(conn, "POST");
    wr_http_call_send(call, NULL, 0);
    peer_expect(&b, peer, "", "POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    peer_send(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    peer_send(peer, "2\r\nyz\r\n0\r\n\r\n");
    check_end("xyz");

    call = begin(conn, "HEAD");
    wr_http_call_send(call, NULL, 0);
    peer_expect(&b, peer, "", "HEAD /t HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    check_end("");

    call = begin(conn, "PUT");
    wr_http_call_stream(call, -1);
    CHECK_INT(wr_http_call_write(call, "ab", 2), WR_HTTP_MORE);
    wr_http_call_end(call);
    peer_expect(
        &b, peer, "",
        "PUT /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    peer_send(peer, "HTTP/1.1 204 No Content\r\n\r\n");
    check_end("");
    CHECK(wr_http_conn_idle(conn));
    CHECK_INT(seen.ends, 4);
    (void)wr_http_conn_free(conn);
    (void)close(peer);
    b.loop = wr_loop_free(b.loop);
}

static void answer_all(const char *answer, bool close_after, bool fails, const char *body)
{
    struct wr_http_conn *conn = start();
    wr_http_call_send(begin(conn, "GET"), NULL, 0);
    peer_send(peer, answer);
    if (close_after)
        (void)close(peer);
    if (fails)
        check_failure();
    else
        check_end(body);
    CHECK(!wr_http_conn_idle(conn));
    (void)wr_http_conn_free(conn);
    if (!close_after)
        (void)close(peer);
    b.loop = wr_loop_free(b.loop);
}

TEST(what_has_arrived_with_the_head)
{
    static const struct {
        const char *method, *first, *rest, *body;
        bool arrived;
    } cases[] = {
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", "abc", true},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "c", "abc", false},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc", "abc", false},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", "", true},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", "", true},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "", "", true},
        {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", "", false},
    };
    struct wr_http_conn *conn = start();

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        unsigned heads = seen.heads;
        wr_http_call_send(begin(conn, cases[i].method), NULL, 0);
        bench_idle(&b, 5);
        peer_send(peer, cases[i].first);
        bench_idle(&b, 5);
        CHECK_INT(seen.heads, heads + 1);
        CHECK_INT(seen.arrived, cases[i].arrived);
        peer_send(peer, cases[i].rest);
        check_end(cases[i].body);
    }
    (void)wr_http_conn_free(conn);
    (void)close(peer);
    wr_loop_free(b.loop);
}

TEST(responses_that_end_the_connection)
{
    answer_all("HTTP/1.1 200 OK\r\n\r\nabc", true, false, "abc");
    answer_all("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", false, false,
               "a");
    answer_all("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", false, false, "a");
    /* Bytes behind the response belong to nothing. */
    answer_all("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", false, false, "a");
}

TEST(responses_that_fail)
{
    answer_all("", true, true, NULL);
    answer_all("HTTP/1.1 200 O", true, true, NULL);
    answer_all("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", true, true, NULL);
    answer_all("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", true, true, NULL);
    answer_all("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz", false, true, NULL);
    answer_all("SSH-2.0-x\r\n", false, true, NULL);
}

TEST(injection_fails_the_call)
{
    struct wr_http_conn *conn = start();
    struct wr_http_call *call = begin(conn, "GET");
    struct wr_error err = {0};
    char got[64];
    wr_http_call_header(call, "X", "a\r\nY: b");
    wr_http_call_send(call, NULL, 0);
    check_failure();
    CHECK(recv(peer, got, sizeof(got), MSG_DONTWAIT) <= 0);
    CHECK_INT(wr_http_call_begin(conn, "GET", "/", &ops, NULL, &call, &err),
              -WR_E_FAILED_PRECONDITION);
    (void)wr_http_conn_free(conn);
    (void)close(peer);
    b.loop = wr_loop_free(b.loop);
    conn = start();
    CHECK_INT(wr_http_call_begin(conn, "GET", "/a b", &ops, NULL, &call, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK(wr_http_conn_idle(conn));
    (void)wr_http_conn_free(conn);
    (void)close(peer);
    b.loop = wr_loop_free(b.loop);
}

TEST(idle_loss_is_told_once)
{
    for (int with_data = 0; with_data < 2; with_data++) {
        struct wr_http_conn *conn = start();
        seen.lost = 0;
        wr_http_conn_on_lost(conn, on_lost, NULL);
        if (with_data)
            peer_send(peer, "HTTP/1.1 408 x\r\n\r\n");
        else
            (void)close(peer);
        bench_idle(&b, 30);
        CHECK_INT(seen.lost, 1);
        if (with_data)
            (void)close(peer);
        b.loop = wr_loop_free(b.loop);
    }
}

TEST(cancel_is_silent_and_free_is_not)
{
    struct wr_http_conn *conn = start();
    struct wr_http_call *call = begin(conn, "GET");
    wr_http_call_send(call, NULL, 0);
    wr_http_call_cancel(call);
    wr_http_call_cancel(call);
    CHECK(peer_at_end(&b, peer));
    CHECK(!seen.ended && !wr_http_conn_idle(conn));
    (void)wr_http_conn_free(conn);
    CHECK(!seen.ended);
    (void)close(peer);
    b.loop = wr_loop_free(b.loop);

    conn = start();
    wr_http_call_send(begin(conn, "GET"), NULL, 0);
    CHECK(wr_http_conn_free(conn) == NULL);
    CHECK(seen.ended && seen.failed && seen.err.code == WR_E_CANCELED);
    (void)close(peer);
    b.loop = wr_loop_free(b.loop);
}

TEST(an_answer_before_the_end_of_the_request_counts)
{
    struct wr_http_conn *conn = start();
    struct wr_http_call *call = begin(conn, "POST");
    wr_http_call_stream(call, 1000000);
    (void)wr_http_call_write(call, "abc", 3);
    bench_idle(&b, 10);
    peer_send(peer, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    (void)close(peer);
    check_end("no");
    CHECK_INT(seen.status, 413);
    (void)wr_http_conn_free(conn);
    b.loop = wr_loop_free(b.loop);
}

TEST(upgrade)
{
    struct wr_http_conn *conn = start();
    struct wr_http_call *call = begin(conn, "GET");
    wr_http_call_header(call, "Connection", "upgrade");
    wr_http_call_header(call, "Upgrade", "raw");
    wr_http_call_send(call, NULL, 0);
    peer_send(
        peer,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\nearly");
    bench_idle(&b, 30);
    CHECK(seen.hijacked > 0 && !seen.ended);
    CHECK_STR(wr_buf_cstr(&seen.rest), "early");
    CHECK_INT(seen.out.len, 0);
    wr_buf_done(&seen.rest);
    wr_buf_done(&seen.out);
    (void)close(seen.hijacked);
    (void)close(peer);
    b.loop = wr_loop_free(b.loop);
}

TEST(a_paused_call_survives_the_end_of_its_peer)
{
    struct wr_http_conn *conn = start();
    struct wr_http_call *call = begin(conn, "GET");
    wr_http_call_send(call, NULL, 0);
    bench_idle(&b, 10);
    wr_http_call_pause(call, true);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    (void)close(peer);
    bench_idle(&b, 30);
    CHECK(!seen.ended && seen.heads == 0);
    wr_http_call_pause(call, false);
    check_end("abc");
    (void)wr_http_conn_free(conn);
    b.loop = wr_loop_free(b.loop);
}

TEST(connecting)
{
    struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
    struct wr_http_conn *conn = NULL;
    struct wr_error err = {0};
    struct bench tcp;

    bench_start(&tcp, OVER_TCP, (struct wr_http_server_opts){0});
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_INT(
        wr_http_conn_new(tcp.loop, fd, (struct sockaddr *)&nowhere, sizeof(nowhere), &conn, &err),
        -WR_E_UNAVAILABLE);
    CHECK(conn == NULL);
    /* A port where nobody listens: the call fails, not the constructor. */
    tcp.server = wr_http_server_free(tcp.server);
    b = tcp;
    conn = bench_client(&tcp);
    wr_http_call_send(begin(conn, "GET"), NULL, 0);
    check_failure();
    CHECK_INT(seen.err.code, WR_E_UNAVAILABLE);
    (void)wr_http_conn_free(conn);
    bench_stop(&tcp);
}
