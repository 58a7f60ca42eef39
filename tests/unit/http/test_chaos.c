/* Handlers and clients that call anything at any time: every exchange and call still ends exactly
 * once, and nothing is used after it. */
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "test.h"

#define ROUNDS 1500

static struct bench b;
static unsigned long long state;

static unsigned pick(unsigned below)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(state >> 33) % below;
}

/* One per exchange or call; its owner's pointer is valid until `over`. */
struct item {
    struct wr_exchange *ex;
    bool over;
};
static struct item items[4096];
static size_t item_count;
static struct {
    unsigned started, ended;
    bool active, closing;
    struct wr_http_call *call;
    struct wr_http_conn *conn;
} client;
static unsigned depth;

static char text[40000];
/* Of all rounds, to see that they do something. */
static unsigned total_exchanges, total_calls, total_hijacked;

static volatile unsigned checksum;

/* A sanitizer sees when the bytes are not there any more. */
static void touch(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        checksum += (unsigned char)data[i];
}

static void collected(struct wr_exchange *ex, const char *body, size_t len, void *data_ptr);
static void act_on_call(void);

static void on_close(struct wr_exchange *ex, bool aborted, void *data_ptr);

static void any_of(struct wr_exchange *ex, struct item *item)
{
    wr_auto_buf rest = WR_BUF(1 << 20), out = WR_BUF(4 << 20);
    switch (pick(14)) {
    case 0:
        wr_exchange_begin(ex, pick(4) == 0 ? 204 : 200);
        break;
    case 1:
        wr_exchange_header(ex, "X", pick(20) == 0 ? "a\nb" : "c");
        break;
    case 2:
        wr_exchange_send(ex, text, pick(sizeof(text)));
        break;
    case 3:
        wr_exchange_stream(ex, pick(2) ? -1 : (int64_t)pick(100));
        break;
    case 4:
    case 5:
        (void)wr_exchange_write(ex, text, pick(2) ? pick(100) : pick(sizeof(text)));
        break;
    case 6:
        wr_exchange_end(ex);
        break;
    case 7:
        if (pick(8) == 0)
            wr_exchange_abort(ex);
        break;
    case 8:
        wr_exchange_pause(ex, true);
        break;
    case 9:
        wr_exchange_pause(ex, false);
        break;
    case 10:
        wr_exchange_collect(ex, pick(200), collected, on_close, item);
        break;
    case 11:
        if (pick(10) == 0) {
            int fd = wr_exchange_hijack(ex, &rest, &out);
            if (fd >= 0) {
                (void)close(fd);
                item->over = true;
                total_hijacked++;
            }
        }
        break;
    case 12:
        wr_exchange_reply(ex, 200, "text/plain", text, pick(300));
        break;
    case 13:
        act_on_call();
        break;
    default:
        break;
    }
}

static void act(struct item *item)
{
    if (depth > 3)
        return;
    depth++;
    for (unsigned n = pick(5); n > 0 && !item->over; n--)
        any_of(item->ex, item);
    /* Something that belongs to somebody else. */
    if (item_count > 0 && pick(4) == 0) {
        struct item *other = &items[pick((unsigned)item_count)];
        if (!other->over)
            any_of(other->ex, other);
    }
    depth--;
}

static void collected(struct wr_exchange *ex, const char *body, size_t len, void *data_ptr)
{
    (void)ex;
    touch(body, len);
    act(data_ptr);
}

static void on_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    struct item *item = data_ptr;
    CHECK(!item->over && item->ex == ex);
    touch(data, len);
    act(item);
}

static void on_event(struct wr_exchange *ex, void *data_ptr)
{
    struct item *item = data_ptr;
    CHECK(!item->over && item->ex == ex);
    act(item);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    struct item *item = data_ptr;
    (void)aborted;
    CHECK(!item->over && item->ex == ex);
    act(item);
    CHECK(!item->over);
    item->over = true;
}

static void handler(struct wr_exchange *ex, void *data)
{
    static const struct wr_exchange_ops ops = {
        .on_body = on_body, .on_body_end = on_event, .on_drain = on_event, .on_close = on_close};
    (void)data;
    CHECK(item_count < sizeof(items) / sizeof(items[0]));
    struct item *item = &items[item_count++];
    *item = (struct item){.ex = ex};
    wr_exchange_set_ops(ex, &ops, item);
    act(item);
}

static void client_event(struct wr_http_call *call, void *data)
{
    (void)data;
    CHECK(client.active && call == client.call);
    act_on_call();
}

static void client_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    (void)head;
    client_event(call, data);
}

static void client_body(struct wr_http_call *call, const char *data_ptr, size_t len, void *data)
{
    (void)data_ptr;
    (void)len;
    client_event(call, data);
}

static void client_end(struct wr_http_call *call, const struct wr_error *err, void *data)
{
    (void)data;
    CHECK(client.active && call == client.call && (!err || err->msg[0]));
    client.active = false;
    client.ended++;
    act_on_call();
}

static void start_call(void)
{
    static const struct wr_http_call_ops ops = {.on_head = client_head,
                                                .on_body = client_body,
                                                .on_drain = client_event,
                                                .on_end = client_end};
    struct wr_error err = {0};
    if (client.closing || client.active)
        return;
    if (client.conn && !wr_http_conn_idle(client.conn))
        client.conn = wr_http_conn_free(client.conn);
    if (!client.conn)
        client.conn = bench_client(&b);
    CHECK_INT(wr_http_call_begin(client.conn, pick(2) ? "GET" : "POST", "/", &ops, NULL,
                                 &client.call, &err),
              0);
    wr_http_call_header(client.call, "Host", "x");
    client.active = true;
    client.started++;
}

static void act_on_call(void)
{
    if (!client.active) {
        if (pick(3) == 0)
            start_call();
        return;
    }
    switch (pick(9)) {
    case 0:
        wr_http_call_send(client.call, text, pick(2) ? 0 : pick(sizeof(text)));
        break;
    case 1:
        wr_http_call_stream(client.call, pick(2) ? -1 : (int64_t)pick(100));
        break;
    case 2:
    case 3:
        (void)wr_http_call_write(client.call, text, pick(sizeof(text)));
        break;
    case 4:
        wr_http_call_end(client.call);
        break;
    case 5:
        wr_http_call_pause(client.call, pick(2));
        break;
    case 6:
        if (pick(10) == 0) {
            wr_http_call_cancel(client.call);
            client.active = false;
            client.ended++;
        }
        break;
    case 7:
        if (pick(10) == 0) {
            struct wr_http_conn *conn = client.conn;
            client.conn = NULL;
            (void)wr_http_conn_free(conn);
        }
        break;
    default:
        wr_http_call_pause(client.call, false);
        break;
    }
}

static void one_round(unsigned seed)
{
    struct wr_error err = {0};
    int fds[3];

    state = seed;
    item_count = 0;
    memset(&client, 0, sizeof(client));
    bench_start(&b, pick(2) ? OVER_TCP : OVER_UNIX,
                (struct wr_http_server_opts){.handler = handler, .eof_aborts = seed % 2 == 1});
    for (int i = 0; i < 3; i++)
        fds[i] = bench_connect(&b);
    client.conn = bench_client(&b);
    for (unsigned turn = 0; turn < 40; turn++) {
        static const char *const pieces[] = {
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nxxxxx",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n",
            "2\r\nxx\r\n0\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 300\r\n\r\n",
            "HEAD / HTTP/1.0\r\n\r\n",
        };
        unsigned i = pick(3);
        const char *piece = pieces[pick(6)];
        static char sink[65536];
        (void)!send(fds[i], piece, strlen(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (pick(3) == 0)
            (void)!recv(fds[i], sink, sizeof(sink), MSG_DONTWAIT);
        if (pick(12) == 0) {
            (void)close(fds[i]);
            fds[i] = bench_connect(&b);
        } else if (pick(20) == 0) {
            (void)shutdown(fds[i], SHUT_WR);
        }
        for (int n = 0; n < 3; n++)
            act_on_call();
        if (item_count > 0) {
            struct item *item = &items[pick((unsigned)item_count)];
            if (!item->over)
                act(item);
        }
        CHECK_INT(wr_loop_step(b.loop, 0, &err), 0);
    }
    for (int i = 0; i < 3; i++)
        (void)close(fds[i]);
    client.closing = true;
    client.conn = wr_http_conn_free(client.conn);
    bench_idle(&b, 0);
    bench_stop(&b);
    for (size_t i = 0; i < item_count; i++)
        CHECK(items[i].over);
    CHECK(!client.active && client.started == client.ended);
    total_exchanges += (unsigned)item_count;
    total_calls += client.started;
}

TEST(anything_at_any_time)
{
    memset(text, 'x', sizeof(text));
    for (unsigned seed = 1; seed <= ROUNDS; seed++)
        one_round(seed);
    printf("# %u exchanges, %u calls, %u hijacked\n", total_exchanges, total_calls, total_hijacked);
    CHECK(total_exchanges > ROUNDS && total_calls > ROUNDS / 2 && total_hijacked > 0);
}
