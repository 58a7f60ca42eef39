/* Both sides of the codec against each other: long bodies, back-pressure, and what the buffers hold
 * meanwhile. */
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/conn.h"
#include "peer.h"
#include "test.h"

/* Sanitizers keep freed memory for a while. */
#ifdef __SANITIZE_ADDRESS__
#    define PEAK_KIB (512 * 1024)
#else
#    define PEAK_KIB (8 * 1024)
#endif
#define TOTAL (64 * 1024 * 1024)
#define PIECE (48 * 1024)

static struct bench b;
static char piece[PIECE];

/* Server side: takes any body; GET gets a long one. */
static struct {
    uint64_t received, sent;
    bool ended, closed, aborted, hold;
    struct wr_exchange *ex;
    int64_t length;
    unsigned drains;
    size_t out_max;
} server;

static struct {
    uint64_t received, sent;
    bool ended, failed, hold;
    struct wr_http_call *call;
} client;

static void server_push(struct wr_exchange *ex)
{
    enum wr_http_flow flow = WR_HTTP_MORE;
    while (flow == WR_HTTP_MORE && server.sent < TOTAL) {
        size_t n = (size_t)WR_MIN((uint64_t)PIECE, TOTAL - server.sent);
        flow = wr_exchange_write(ex, piece, n);
        server.sent += n;
        server.out_max = WR_MAX(server.out_max, ex->conn->io.out.len);
    }
    if (server.sent == TOTAL && flow != WR_HTTP_GONE)
        wr_exchange_end(ex);
}

static void server_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    (void)data;
    (void)data_ptr;
    server.received += len;
    if (server.hold)
        wr_exchange_pause(ex, true);
}

static void server_end(struct wr_exchange *ex, void *data_ptr)
{
    (void)data_ptr;
    server.ended = true;
    wr_exchange_reply(ex, 200, "text/plain", "ok", 2);
}

static void server_drain(struct wr_exchange *ex, void *data_ptr)
{
    (void)data_ptr;
    server.drains++;
    server_push(ex);
}

static void server_close(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    (void)ex;
    (void)data_ptr;
    server.closed = true;
    server.aborted = aborted;
    server.ex = NULL;
}

static void handler(struct wr_exchange *ex, void *data)
{
    static const struct wr_exchange_ops take = {
        .on_body = server_body, .on_body_end = server_end, .on_close = server_close};
    static const struct wr_exchange_ops give = {.on_drain = server_drain, .on_close = server_close};

    (void)data;
    server.ex = ex;
    if (wr_exchange_is(ex, "GET")) {
        wr_exchange_set_ops(ex, &give, NULL);
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, server.length);
        server_push(ex);
    } else {
        wr_exchange_set_ops(ex, &take, NULL);
    }
}

static void client_body(struct wr_http_call *call, const char *data_ptr, size_t len, void *data)
{
    (void)data_ptr;
    (void)data;
    client.received += len;
    if (client.hold)
        wr_http_call_pause(call, true);
}

static void client_push(struct wr_http_call *call)
{
    enum wr_http_flow flow = WR_HTTP_MORE;
    while (flow == WR_HTTP_MORE && client.sent < TOTAL) {
        size_t n = (size_t)WR_MIN((uint64_t)PIECE, TOTAL - client.sent);
        flow = wr_http_call_write(call, piece, n);
        client.sent += n;
    }
    if (client.sent == TOTAL && flow != WR_HTTP_GONE)
        wr_http_call_end(call);
}

static void client_drain(struct wr_http_call *call, void *data)
{
    (void)data;
    client_push(call);
}

static void client_end(struct wr_http_call *call, const struct wr_error *err, void *data)
{
    (void)call;
    (void)data;
    client.ended = true;
    client.failed = err != NULL;
}

static const struct wr_http_call_ops client_ops = {
    .on_body = client_body, .on_drain = client_drain, .on_end = client_end};

static uint64_t stall_ms; /* 0: the default */

static struct wr_http_conn *start(enum transport transport, const char *method)
{
    struct wr_error err = {0};
    bench_start(&b, transport,
                (struct wr_http_server_opts){.handler = handler, .stall_timeout_ms = stall_ms});
    memset(&server, 0, sizeof(server));
    memset(&client, 0, sizeof(client));
    server.length = -1;
    struct wr_http_conn *conn = bench_client(&b);
    CHECK_INT(wr_http_call_begin(conn, method, "/", &client_ops, NULL, &client.call, &err), 0);
    wr_http_call_header(client.call, "Host", "x");
    return conn;
}

static long peak_kib(void)
{
    struct rusage usage;
    CHECK_INT(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void download(enum transport transport, int64_t length)
{
    struct wr_http_conn *conn = start(transport, "GET");
    long before_kib = peak_kib();
    uint64_t start_us = wr_mono_us();
    server.length = length;
    wr_http_call_send(client.call, NULL, 0);
    CHECK(bench_run(&b, &client.ended, 60000));
    CHECK(!client.failed && client.received == TOTAL);
    bench_idle(&b, 20);
    CHECK(server.closed && !server.aborted && wr_http_conn_idle(conn));
    /* Never more than the mark and the piece that crossed it. */
    CHECK(server.out_max <= WR_HTTP_OUT_HIGH + PIECE + 64);
    CHECK(peak_kib() - before_kib < PEAK_KIB);
    printf("# download: %llu MB/s\n", (unsigned long long)(TOTAL / (wr_mono_us() - start_us)));
    (void)wr_http_conn_free(conn);
    bench_stop(&b);
}

TEST(download_chunked)
{
    download(OVER_UNIX, -1);
}

TEST(download_with_length_over_tcp)
{
    download(OVER_TCP, TOTAL);
}

static void upload(enum transport transport, int64_t length)
{
    struct wr_http_conn *conn = start(transport, "POST");
    long before_kib = peak_kib();
    uint64_t start_us = wr_mono_us();
    wr_http_call_stream(client.call, length);
    client_push(client.call);
    CHECK(bench_run(&b, &client.ended, 60000));
    CHECK(!client.failed && server.received == TOTAL && server.ended);
    CHECK(peak_kib() - before_kib < PEAK_KIB);
    printf("# upload: %llu MB/s\n", (unsigned long long)(TOTAL / (wr_mono_us() - start_us)));
    (void)wr_http_conn_free(conn);
    bench_stop(&b);
}

TEST(upload_chunked)
{
    upload(OVER_UNIX, -1);
}

TEST(upload_with_length_over_tcp)
{
    upload(OVER_TCP, TOTAL);
}

TEST(a_reader_that_stops_stops_the_server)
{
    struct wr_http_conn *conn = start(OVER_UNIX, "GET");
    wr_http_call_send(client.call, NULL, 0);
    wr_http_call_pause(client.call, true);
    bench_idle(&b, 100);
    uint64_t sent = server.sent;
    CHECK(sent > 0 && sent < 4 * 1024 * 1024);
    bench_idle(&b, 100);
    CHECK_INT(server.sent, sent);
    wr_http_call_pause(client.call, false);
    CHECK_INT(client.received, 0); /* never from inside resume */
    CHECK(bench_run(&b, &client.ended, 60000));
    CHECK(!client.failed && client.received == TOTAL && server.drains > 0);
    (void)wr_http_conn_free(conn);
    bench_stop(&b);
}

TEST(a_reader_that_stops_for_too_long_is_cut)
{
    stall_ms = 200;
    struct wr_http_conn *conn = start(OVER_UNIX, "GET");
    client.hold = true;
    wr_http_call_send(client.call, NULL, 0);
    /* A reader that goes on now and then, by more than the socket holds, is slow, not stalled. */
    for (int i = 0; i < 8; i++) {
        for (int piece_nr = 0; piece_nr < 16; piece_nr++) {
            bench_idle(&b, 1);
            wr_http_call_pause(client.call, false);
        }
        bench_idle(&b, 50);
        CHECK(!server.closed && server.sent < TOTAL);
    }
    uint64_t start_ms = wr_mono_ms();
    CHECK(bench_run(&b, &server.closed, 2000));
    CHECK(server.aborted && wr_mono_ms() - start_ms >= 100);
    (void)wr_http_conn_free(conn);
    bench_stop(&b);
    stall_ms = 0;
}

TEST(a_handler_that_stops_stops_the_client)
{
    struct wr_http_conn *conn = start(OVER_UNIX, "POST");
    server.hold = true;
    wr_http_call_stream(client.call, -1);
    client_push(client.call);
    bench_idle(&b, 100);
    uint64_t sent = client.sent, received = server.received;
    CHECK(sent > 0 && sent < 4 * 1024 * 1024 && received > 0 && received <= WR_HTTP_READ_SIZE);
    bench_idle(&b, 100);
    CHECK(client.sent == sent && server.received == received);
    server.hold = false;
    wr_exchange_pause(server.ex, false);
    CHECK_INT(server.received, received);
    CHECK(bench_run(&b, &client.ended, 60000));
    CHECK(!client.failed && server.received == TOTAL);
    (void)wr_http_conn_free(conn);
    bench_stop(&b);
}

TEST(a_client_that_cancels_aborts_the_exchange)
{
    struct wr_http_conn *conn = start(OVER_UNIX, "GET");
    wr_http_call_send(client.call, NULL, 0);
    bench_idle(&b, 5);
    wr_http_call_cancel(client.call);
    CHECK(bench_run(&b, &server.closed, 1000));
    CHECK(server.aborted && !client.ended);
    (void)wr_http_conn_free(conn);
    bench_stop(&b);
}

TEST(an_exchange_that_aborts_fails_the_call)
{
    for (enum transport t = OVER_UNIX; t <= OVER_TCP; t++) {
        struct wr_http_conn *conn = start(t, "GET");
        wr_http_call_send(client.call, NULL, 0);
        bench_idle(&b, 5);
        if (server.ex)
            wr_exchange_abort(server.ex);
        CHECK(bench_run(&b, &client.ended, 60000));
        CHECK(client.failed || client.received == TOTAL);
        (void)wr_http_conn_free(conn);
        bench_stop(&b);
    }
}

TEST(idle_connections_hold_no_buffers)
{
    struct wr_http_conn *conn = start(OVER_UNIX, "POST");
    wr_http_call_send(client.call, "abc", 3);
    CHECK(bench_run(&b, &client.ended, 1000));
    bench_idle(&b, 20);
    const struct wr_server_conn *other =
        wr_list_entry(b.server->conns.next, struct wr_server_conn, link);
    CHECK(other->io.in.data == NULL && other->io.out.data == NULL && !other->ex && !other->doomed);
    (void)wr_http_conn_free(conn);
    bench_stop(&b);
}
