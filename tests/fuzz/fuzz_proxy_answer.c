/* What an upstream proxy answers: in one piece and in small ones the outcome is the same, and
 * nothing behind the answer is taken. The first byte: kind of the proxy, credentials, size of the
 * pieces. */
#include "fuzz.h"
#include "server/egress/handshake.h"

struct outcome {
    bool failed, done;
    size_t used;
};

static struct outcome talk(const char *data, size_t len, unsigned flags, size_t piece)
{
    const struct wr_net_proxy proxy = {
        .kind = flags & 1 ? WR_NET_PROXY_HTTP : WR_NET_PROXY_SOCKS5,
        .host = "proxy.example",
        .port = 1080,
        .username = flags & 2 ? "user" : NULL,
        .password = flags & 2 ? "password" : NULL,
    };
    const struct wr_ip address = {.bytes = {[10] = 0xff, 0xff, 203, 0, 113, 5}};
    struct wr_handshake hs = {.protocol = NULL};
    struct wr_error error = {0};
    struct outcome o = {.failed = false};

    HOLDS(wr_handshake_begin(&hs, &proxy, flags & 4 ? "web.example" : NULL, &address, 443,
                             &error) == 0);
    HOLDS(hs.out.len > 0);
    while (o.used < len && !o.failed && !o.done) {
        size_t part = len - o.used < piece ? len - o.used : piece;
        ssize_t n = hs.protocol->feed(&hs, data + o.used, part, &o.done, &error);
        o.failed = n < 0;
        HOLDS(o.failed || ((size_t)n <= part && n > 0));
        HOLDS(o.failed || o.done || (size_t)n == part);
        HOLDS(!o.failed || error.msg[0]);
        o.used += o.failed ? 0 : (size_t)n;
        wr_buf_clear(&hs.out);
    }
    wr_handshake_done(&hs);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct outcome whole = talk((const char *)data + 1, size - 1, data[0], size);
    struct outcome cut = talk((const char *)data + 1, size - 1, data[0], (data[0] >> 3) + 1u);
    HOLDS(whole.failed == cut.failed && whole.done == cut.done);
    HOLDS(!whole.done || whole.used == cut.used);
    return 0;
}
