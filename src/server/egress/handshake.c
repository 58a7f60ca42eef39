#include "server/egress/handshake.h"

#include "server/egress/http_connect.h"
#include "server/egress/socks5.h"

static const struct wr_handshake_protocol *const protocols[] = {
    [WR_NET_PROXY_SOCKS5] = &wr_socks5,
    [WR_NET_PROXY_HTTP] = &wr_http_connect,
};

int wr_handshake_begin(struct wr_handshake *handshake, const struct wr_net_proxy *proxy,
                       const char *name, const struct wr_ip *address, uint16_t port,
                       struct wr_error *err)
{
    *handshake = (struct wr_handshake){
        .protocol = protocols[proxy->kind],
        .proxy = proxy,
        .name = name,
        .address = *address,
        .port = port,
        .out = WR_BUF(WR_HANDSHAKE_MAX_SENT),
        .in = WR_BUF(WR_HANDSHAKE_MAX_ANSWER),
    };
    return handshake->protocol->begin(handshake, err);
}

void wr_handshake_done(struct wr_handshake *handshake)
{
    /* Credentials may be in it. */
    if (handshake->out.data)
        explicit_bzero(handshake->out.data, handshake->out.cap);
    wr_buf_done(&handshake->out);
    wr_buf_done(&handshake->in);
}
