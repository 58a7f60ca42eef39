#include "server/egress/socks5.h"

#include <string.h>

enum {
    VERSION = 5,
    METHOD_NONE = 0,
    METHOD_PASSWORD = 2,
    PASSWORD_VERSION = 1,
    COMMAND_CONNECT = 1,
    ADDRESS_V4 = 1,
    ADDRESS_NAME = 3,
    ADDRESS_V6 = 4,
    TEXT_MAX = 255,
};

enum stage { STAGE_METHOD = 0, STAGE_PASSWORD, STAGE_REPLY };

struct message {
    unsigned char bytes[4 + 2 * (1 + TEXT_MAX)];
    size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
    memcpy(m->bytes + m->len, data, len);
    m->len += len;
}

static void put_byte(struct message *m, unsigned value)
{
    m->bytes[m->len++] = (unsigned char)value;
}

/* With its length before it; `len` is at most TEXT_MAX. */
static void put_text(struct message *m, const char *text, size_t len)
{
    put_byte(m, (unsigned)len);
    put(m, text, len);
}

static int send_message(struct wr_handshake *hs, struct message *m, struct wr_error *err)
{
    int r = wr_buf_append(&hs->out, m->bytes, m->len);

    explicit_bzero(m, sizeof *m);
    return r < 0 ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "SOCKS5 proxy") : 0;
}

static int begin(struct wr_handshake *hs, struct wr_error *err)
{
    struct message m = {.len = 0};
    bool password = hs->proxy->username != NULL;

    put_byte(&m, VERSION);
    put_byte(&m, password ? 2 : 1);
    put_byte(&m, METHOD_NONE);
    if (password)
        put_byte(&m, METHOD_PASSWORD);
    return send_message(hs, &m, err);
}

static int send_password(struct wr_handshake *hs, struct wr_error *err)
{
    const char *user = hs->proxy->username, *password = hs->proxy->password;
    struct message m = {.len = 0};
    size_t user_len = strlen(user), password_len = password ? strlen(password) : 0;

    if (user_len == 0 || user_len > TEXT_MAX || password_len > TEXT_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "SOCKS5 proxy: user name and password have at most %d bytes", TEXT_MAX);
    put_byte(&m, PASSWORD_VERSION);
    put_text(&m, user, user_len);
    put_text(&m, password ? password : "", password_len);
    hs->stage = STAGE_PASSWORD;
    return send_message(hs, &m, err);
}

static int send_request(struct wr_handshake *hs, struct wr_error *err)
{
    struct message m = {.len = 0};
    size_t name_len = hs->name ? strlen(hs->name) : 0;
    bool v4 = wr_ip_is_v4(&hs->address);

    if (name_len > TEXT_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "SOCKS5 proxy: the name is too long");
    put_byte(&m, VERSION);
    put_byte(&m, COMMAND_CONNECT);
    put_byte(&m, 0);
    put_byte(&m, name_len ? ADDRESS_NAME : v4 ? ADDRESS_V4 : ADDRESS_V6);
    if (name_len)
        put_text(&m, hs->name, name_len);
    else if (v4)
        put(&m, hs->address.bytes + 12, 4);
    else
        put(&m, hs->address.bytes, 16);
    put_byte(&m, hs->port >> 8);
    put_byte(&m, hs->port & 0xffu);
    hs->stage = STAGE_REPLY;
    return send_message(hs, &m, err);
}

/* ---- answers ---- */

static int bad_version(struct wr_error *err)
{
    return wr_fail(err, WR_E_UNAVAILABLE, 0,
                   "the proxy does not speak SOCKS5; check egressProxy.address");
}

static int on_method(struct wr_handshake *hs, const unsigned char *answer, struct wr_error *err)
{
    if (answer[0] != VERSION)
        return bad_version(err);
    if (answer[1] == METHOD_NONE)
        return send_request(hs, err);
    if (answer[1] == METHOD_PASSWORD && hs->proxy->username)
        return send_password(hs, err);
    return wr_fail(err, WR_E_UNAVAILABLE, 0,
                   hs->proxy->username
                       ? "the SOCKS5 proxy takes neither a password nor anonymous clients"
                       : "the SOCKS5 proxy wants a user name; set egressProxy.username");
}

static int on_password(struct wr_handshake *hs, const unsigned char *answer, struct wr_error *err)
{
    if (answer[0] != PASSWORD_VERSION || answer[1] != 0)
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       "the SOCKS5 proxy refused the user name or the password");
    return send_request(hs, err);
}

static int on_reply(const unsigned char *answer, struct wr_error *err)
{
    static const char *const texts[] = {
        [0] = "succeeded",
        [1] = "general failure",
        [2] = "not allowed by its rules",
        [3] = "network unreachable",
        [4] = "host unreachable",
        [5] = "connection refused",
        [6] = "timed out on the way",
        [7] = "command not supported",
        [8] = "address type not supported",
    };

    if (answer[0] != VERSION || answer[2] != 0)
        return bad_version(err);
    if (answer[1] != 0)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the SOCKS5 proxy could not connect: %s",
                       answer[1] < WR_ARRAY_SIZE(texts) ? texts[answer[1]] : "unknown reason");
    return 0;
}

/* How long the answer of this stage is, from its first bytes; 0: the type of address is unknown.
 * More than `have` means only: at least so long. */
static size_t answer_len(const struct wr_handshake *hs, const unsigned char *answer, size_t have)
{
    if (hs->stage != STAGE_REPLY)
        return 2;
    if (have < 5)
        return 5;
    switch (answer[3]) {
    case ADDRESS_V4:
        return 4 + 4 + 2;
    case ADDRESS_NAME:
        return 4 + 1 + (size_t)answer[4] + 2;
    case ADDRESS_V6:
        return 4 + 16 + 2;
    default:
        return 0;
    }
}

static int on_answer(struct wr_handshake *hs, bool *ret_done, struct wr_error *err)
{
    const unsigned char *answer = (const unsigned char *)wr_buf_ptr(&hs->in);
    int r = 0;

    switch ((enum stage)hs->stage) {
    case STAGE_METHOD:
        r = on_method(hs, answer, err);
        break;
    case STAGE_PASSWORD:
        r = on_password(hs, answer, err);
        break;
    case STAGE_REPLY:
        r = on_reply(answer, err);
        *ret_done = r == 0;
        break;
    }
    wr_buf_clear(&hs->in);
    return r;
}

static ssize_t feed(struct wr_handshake *hs, const char *data, size_t len, bool *ret_done,
                    struct wr_error *err)
{
    size_t used = 0;

    *ret_done = false;
    while (used < len && !*ret_done) {
        size_t need = answer_len(hs, (const unsigned char *)wr_buf_ptr(&hs->in), hs->in.len);
        size_t part = WR_MIN(len - used, need - hs->in.len);
        int r = wr_buf_append(&hs->in, data + used, part);
        if (r < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "SOCKS5 proxy");
        used += part;
        need = answer_len(hs, (const unsigned char *)wr_buf_ptr(&hs->in), hs->in.len);
        if (need == 0)
            return bad_version(err);
        if (hs->in.len < need)
            continue;
        r = on_answer(hs, ret_done, err);
        if (r < 0)
            return r;
    }
    return (ssize_t)used;
}

const struct wr_handshake_protocol wr_socks5 = {.begin = begin, .feed = feed};
