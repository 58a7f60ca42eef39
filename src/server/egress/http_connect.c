#include "server/egress/http_connect.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "http/h1.h"

#define CREDENTIALS_MAX (255 + 1 + 255)

static int write_credentials(struct wr_handshake *hs)
{
    const char *password = hs->proxy->password ? hs->proxy->password : "";
    char plain[CREDENTIALS_MAX + 1], encoded[WR_BASE64_LEN(CREDENTIALS_MAX)];
    int r = -EMSGSIZE;

    if (wr_strformat(plain, sizeof plain, "%s:%s", hs->proxy->username, password)) {
        size_t len = wr_base64_encode(plain, strlen(plain), encoded);
        r = wr_buf_printf(&hs->out, "Proxy-Authorization: Basic %.*s\r\n", (int)len, encoded);
    }
    explicit_bzero(plain, sizeof plain);
    explicit_bzero(encoded, sizeof encoded);
    return r;
}

static int begin(struct wr_handshake *hs, struct wr_error *err)
{
    char address[WR_IP_TEXT];
    bool v6 = !hs->name && !wr_ip_is_v4(&hs->address);

    wr_ip_format(&hs->address, address);
    const char *host = hs->name ? hs->name : address;
    const char *left = v6 ? "[" : "", *right = v6 ? "]" : "";
    int r = wr_buf_printf(&hs->out, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n", left, host,
                          right, hs->port, left, host, right, hs->port);
    if (r == 0 && hs->proxy->username)
        r = write_credentials(hs);
    if (r == 0)
        r = wr_buf_append_str(&hs->out, "\r\n");
    return r < 0 ? wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "request to the HTTP proxy") : 0;
}

/* Where the head ends in `in` after which `data` comes, counted in `data`; `len` when it does not
 * end there. */
static size_t head_end(const struct wr_buf *in, const char *data, size_t len)
{
    static const char mark[] = "\r\n\r\n";
    const char *before = wr_buf_ptr(in);
    size_t matched = 0;

    /* Of what came before only the last bytes matter. */
    for (size_t i = in->len - WR_MIN(in->len, (size_t)3); i < in->len; i++)
        matched = before[i] == mark[matched] ? matched + 1 : before[i] == '\r';
    for (size_t i = 0; i < len; i++) {
        matched = data[i] == mark[matched] ? matched + 1 : data[i] == '\r';
        if (matched == sizeof mark - 1)
            return i + 1;
    }
    return len;
}

static ssize_t feed(struct wr_handshake *hs, const char *data, size_t len, bool *ret_done,
                    struct wr_error *err)
{
    struct wr_h1_head head;
    struct wr_error why = {0};
    size_t part = head_end(&hs->in, data, len);

    *ret_done = false;
    int r = wr_buf_append(&hs->in, data, part);
    if (r < 0)
        return wr_fail(err, WR_E_UNAVAILABLE, -r, "the HTTP proxy's answer is too long");
    /* Whatever its fields say about a body: there is none after 2xx. */
    ssize_t n = wr_h1_parse_response(wr_buf_ptr(&hs->in), hs->in.len, true, &head, &why);
    if (n < 0)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the HTTP proxy's answer is malformed: %.120s",
                       why.msg);
    if (n > 0 && (head.status < 200 || head.status > 299))
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       head.status == 407
                           ? "the HTTP proxy wants other credentials (status %d); set "
                             "egressProxy.username and password"
                           : "the HTTP proxy refused the connection with status %d",
                       head.status);
    *ret_done = n > 0;
    return (ssize_t)part;
}

const struct wr_handshake_protocol wr_http_connect = {.begin = begin, .feed = feed};
