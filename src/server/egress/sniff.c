#include "server/egress/sniff.h"

#include <string.h>

#include "base/str.h"
#include "http/h1.h"

#define NAME_MAX_LEN  253
#define LABEL_MAX_LEN 63

/* ---- names ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/* Labels of 1 to 63 letters, digits, '-' and '_'; the last one is not all digits (RFC 1123 2.1),
 * which keeps addresses in any of their spellings out. `name` is in lower case. */
static bool is_host_name(const char *name, size_t len)
{
    size_t label = 0, digits = 0;

    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.') {
            if (label == 0)
                return false;
            label = digits = 0;
            continue;
        }
        if (!is_name_byte(name[i]) || ++label > LABEL_MAX_LEN)
            return false;
        digits += is_digit(name[i]);
    }
    /* "0x7f000001" is an address to inet_aton(). */
    return label > 0 && digits < label && !wr_starts_with(name + len - label, "0x");
}

static enum wr_sniff take_name(const char *text, size_t len, char *ret)
{
    char name[NAME_MAX_LEN + 1];

    if (len > 0 && text[len - 1] == '.')
        len--;
    if (len == 0 || len > NAME_MAX_LEN)
        return WR_SNIFF_NONE;
    for (size_t i = 0; i < len; i++)
        name[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 'a' - 'A') : text[i];
    name[len] = '\0';
    if (!is_host_name(name, len))
        return WR_SNIFF_NONE;
    memcpy(ret, name, len + 1);
    return WR_SNIFF_NAME;
}

/* ---- TLS ---- */

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER = 5,
    RECORD_MAX = 1 << 14,
    CLIENT_HELLO = 1,
    RANDOM_LEN = 32,
    SESSION_ID_MAX = 32,
    EXTENSION_SERVER_NAME = 0,
    NAME_TYPE_HOST = 0,
};

/* Reads the handshake's bytes, wherever the borders of records are. The first failure stays. */
struct reader {
    const unsigned char *data;
    size_t len, at;
    size_t record_left;
    size_t left;           /* of the innermost vector that is being read */
    enum wr_sniff failure; /* WR_SNIFF_NAME: none so far */
};

static bool stop(struct reader *r, enum wr_sniff failure)
{
    if (r->failure == WR_SNIFF_NAME)
        r->failure = failure;
    return false;
}

static bool next_record(struct reader *r)
{
    const unsigned char *header = r->data + r->at;
    size_t have = r->len - r->at;

    /* What is wrong is known as soon as it is there. */
    if ((have > 0 && header[0] != RECORD_HANDSHAKE) || (have > 1 && header[1] != 3))
        return stop(r, WR_SNIFF_NONE);
    if (have < RECORD_HEADER)
        return stop(r, WR_SNIFF_MORE);
    r->record_left = (size_t)header[3] << 8 | header[4];
    r->at += RECORD_HEADER;
    return (r->record_left > 0 && r->record_left <= RECORD_MAX) || stop(r, WR_SNIFF_NONE);
}

/* Copies `count` bytes of the vector, or skips them when `out` is NULL. */
static bool take(struct reader *r, unsigned char *out, size_t count)
{
    if (r->failure != WR_SNIFF_NAME)
        return false;
    if (count > r->left)
        return stop(r, WR_SNIFF_NONE);
    r->left -= count;
    while (count > 0) {
        if (r->record_left == 0 && !next_record(r))
            return false;
        size_t part = WR_MIN(WR_MIN(count, r->record_left), r->len - r->at);
        if (part == 0)
            return stop(r, WR_SNIFF_MORE);
        if (out)
            memcpy(out, r->data + r->at, part);
        out = out ? out + part : NULL;
        r->at += part;
        r->record_left -= part;
        count -= part;
    }
    return true;
}

static size_t take_number(struct reader *r, size_t bytes)
{
    unsigned char raw[3] = {0};
    size_t value = 0;

    if (!take(r, raw, bytes))
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | raw[i];
    return value;
}

/* A vector inside of the present one: what is left of the outer one behind it. */
static size_t enter(struct reader *r, size_t len)
{
    if (r->failure != WR_SNIFF_NAME)
        return 0;
    if (len > r->left) {
        (void)stop(r, WR_SNIFF_NONE);
        return 0;
    }
    size_t behind = r->left - len;
    r->left = len;
    return behind;
}

/* One list with exactly one host name (RFC 6066 3: not more than one of a type). */
static void read_server_names(struct reader *r, char *name, bool *found)
{
    unsigned char text[NAME_MAX_LEN + 2];

    if (take_number(r, 2) != r->left) {
        (void)stop(r, WR_SNIFF_NONE);
        return;
    }
    size_t type = take_number(r, 1), len = take_number(r, 2);
    if (*found || type != NAME_TYPE_HOST || len > sizeof text || len != r->left) {
        (void)stop(r, WR_SNIFF_NONE);
        return;
    }
    if (take(r, text, len) && take_name((const char *)text, len, name) != WR_SNIFF_NAME)
        (void)stop(r, WR_SNIFF_NONE);
    *found = true;
}

/* All of them: a second server name further back counts as well. */
static void read_extensions(struct reader *r, char *name, bool *found)
{
    while (r->failure == WR_SNIFF_NAME && r->left > 0) {
        size_t type = take_number(r, 2), len = take_number(r, 2);
        size_t behind = enter(r, len);
        if (r->failure == WR_SNIFF_NAME && type == EXTENSION_SERVER_NAME)
            read_server_names(r, name, found);
        else
            (void)take(r, NULL, len);
        r->left += behind;
    }
}

enum wr_sniff wr_sniff_tls(const unsigned char *data, size_t len, char *name)
{
    struct reader r = {.data = data,
                       .len = WR_MIN(len, (size_t)WR_SNIFF_MAX),
                       .left = 4,
                       .failure = WR_SNIFF_NAME};
    char found_name[NAME_MAX_LEN + 1] = "";
    bool found = false;

    if (take_number(&r, 1) != CLIENT_HELLO)
        (void)stop(&r, WR_SNIFF_NONE);
    size_t size = take_number(&r, 3);
    if (size > WR_SNIFF_MAX)
        (void)stop(&r, WR_SNIFF_NONE);
    r.left = size;
    (void)take(&r, NULL, 2 + RANDOM_LEN);
    size_t session_id = take_number(&r, 1);
    if (session_id > SESSION_ID_MAX)
        (void)stop(&r, WR_SNIFF_NONE);
    (void)take(&r, NULL, session_id);
    size_t ciphers = take_number(&r, 2);
    if (ciphers < 2 || ciphers % 2 != 0)
        (void)stop(&r, WR_SNIFF_NONE);
    (void)take(&r, NULL, ciphers);
    size_t compressions = take_number(&r, 1);
    if (compressions == 0)
        (void)stop(&r, WR_SNIFF_NONE);
    (void)take(&r, NULL, compressions);
    if (take_number(&r, 2) != r.left)
        (void)stop(&r, WR_SNIFF_NONE);
    read_extensions(&r, found_name, &found);
    if (r.failure == WR_SNIFF_MORE)
        return len >= WR_SNIFF_MAX ? WR_SNIFF_NONE : WR_SNIFF_MORE;
    if (r.failure == WR_SNIFF_NONE || !found)
        return WR_SNIFF_NONE;
    memcpy(name, found_name, sizeof found_name);
    return WR_SNIFF_NAME;
}

/* ---- HTTP ---- */

/* host[:port]; no user, no address in brackets. */
static enum wr_sniff read_authority(const char *text, size_t len, char *name)
{
    const char *colon = memchr(text, ':', len);
    size_t host = colon ? (size_t)(colon - text) : len;
    size_t digits = colon ? len - host - 1 : 0;

    if (digits > 5)
        return WR_SNIFF_NONE;
    for (size_t i = 0; i < digits; i++)
        if (!is_digit(colon[1 + i]))
            return WR_SNIFF_NONE;
    return take_name(text, host, name);
}

/* The parser has refused a Host that is there twice, or that differs from an absolute target. */
enum wr_sniff wr_sniff_http(const char *data, size_t len, char *name)
{
    struct wr_h1_head head;
    struct wr_error ignored = {0};
    int status = 0;
    ssize_t r =
        wr_h1_parse_request(data, WR_MIN(len, (size_t)WR_SNIFF_MAX), &head, &status, &ignored);

    if (r == 0)
        return len >= WR_SNIFF_MAX ? WR_SNIFF_NONE : WR_SNIFF_MORE;
    const struct wr_h1_header *host = r > 0 ? wr_h1_find(&head, "Host") : NULL;
    return host ? read_authority(host->value, host->value_len, name) : WR_SNIFF_NONE;
}
