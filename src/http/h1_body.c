#include "base/encode.h"
#include "http/h1.h"
#include "http/h1_chars.h"

/* Places in the grammar of RFC 9112 7.1. The decoder eats every byte it has seen, so nothing is
 * scanned twice. */
enum place {
    SIZE_FIRST = 0, /* the first digit of a chunk size */
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* the first byte of a trailer line, or the CR of the end */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
};

void wr_h1_body_init(struct wr_h1_body *body, const struct wr_h1_head *head)
{
    *body = (struct wr_h1_body){.framing = head->framing, .state = SIZE_FIRST};
    if (head->framing == WR_H1_BODY_LENGTH)
        body->remaining = head->content_length;
    body->done = head->framing == WR_H1_BODY_NONE ||
                 (head->framing == WR_H1_BODY_LENGTH && head->content_length == 0);
}

bool wr_h1_body_inside(const struct wr_h1_body *body)
{
    if (body->done || body->framing == WR_H1_BODY_UNTIL_CLOSE)
        return false;
    return body->framing != WR_H1_BODY_CHUNKED || body->state != SIZE_FIRST;
}

static int refuse(struct wr_error *err, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "bad chunked body: %s", why);
}

static int size_byte(struct wr_h1_body *body, char c, struct wr_error *err)
{
    int digit = wr_hex_value(c);

    if (digit >= 0) {
        if (body->remaining > (uint64_t)INT64_MAX >> 4)
            return refuse(err, "the chunk size is too large");
        body->remaining = body->remaining << 4 | (uint64_t)digit;
        body->state = SIZE;
        return 0;
    }
    if (body->state == SIZE_FIRST || (c != '\r' && c != ';'))
        return refuse(err, "the chunk size is not a hexadecimal number");
    body->state = c == ';' ? EXTENSION : SIZE_LF;
    return 0;
}

static int extension_byte(struct wr_h1_body *body, char c, struct wr_error *err)
{
    if (c == '\r')
        body->state = SIZE_LF;
    else if (!wr_h1_is(c, WR_H1_VALUE))
        return refuse(err, "control byte in a chunk extension");
    return 0;
}

/* Trailers are checked like header fields and dropped: nothing that arrives late may change what a
 * head said. */
static int trailer_byte(struct wr_h1_body *body, char c, struct wr_error *err)
{
    if (body->state == TRAILER_START && c == '\r') {
        body->state = END_LF;
    } else if (body->state == TRAILER_VALUE) {
        if (c == '\r')
            body->state = TRAILER_LF;
        else if (!wr_h1_is(c, WR_H1_VALUE))
            return refuse(err, "control byte in a trailer");
    } else if (body->state == TRAILER_NAME && c == ':') {
        body->state = TRAILER_VALUE;
    } else if (wr_h1_is(c, WR_H1_TOKEN)) {
        body->state = TRAILER_NAME;
    } else {
        return refuse(err, "a trailer line is not a field");
    }
    return 0;
}

static int expect_byte(struct wr_h1_body *body, char c, char wanted, enum place next,
                       struct wr_error *err)
{
    if (c != wanted)
        return refuse(err, "CR LF was expected");
    body->state = (uint8_t)next;
    return 0;
}

/* One byte of framing. */
static int framing_byte(struct wr_h1_body *body, char c, struct wr_error *err)
{
    bool trailer = body->state >= TRAILER_START;

    if (++body->line_len > (trailer ? WR_HTTP_MAX_TRAILER : WR_HTTP_MAX_CHUNK_LINE))
        return refuse(err,
                      trailer ? "the trailer section is too long" : "a chunk line is too long");
    switch ((enum place)body->state) {
    case SIZE_FIRST:
    case SIZE:
        return size_byte(body, c, err);
    case EXTENSION:
        return extension_byte(body, c, err);
    case SIZE_LF:
        body->line_len = 0;
        return expect_byte(body, c, '\n', body->remaining ? DATA : TRAILER_START, err);
    case DATA_CR:
        return expect_byte(body, c, '\r', DATA_LF, err);
    case DATA_LF:
        body->line_len = 0;
        return expect_byte(body, c, '\n', SIZE_FIRST, err);
    case TRAILER_START:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return trailer_byte(body, c, err);
    case TRAILER_LF:
        return expect_byte(body, c, '\n', TRAILER_START, err);
    case END_LF:
        body->done = c == '\n';
        return expect_byte(body, c, '\n', END_LF, err);
    case DATA:
        break;
    }
    return refuse(err, "no framing byte is due");
}

/* Takes payload from data[pos...]; returns the position behind it. */
static size_t take(struct wr_h1_body *body, const char *data, size_t len, size_t pos,
                   const char **ret_data, size_t *ret_len)
{
    uint64_t available = len - pos;
    size_t n = (size_t)WR_MIN(available, body->remaining);

    *ret_data = data + pos;
    *ret_len = n;
    body->remaining -= n;
    return pos + n;
}

ssize_t wr_h1_body_decode(struct wr_h1_body *body, const char *data, size_t len,
                          const char **ret_data, size_t *ret_len, struct wr_error *err)
{
    size_t pos = 0;

    *ret_data = data;
    *ret_len = 0;
    if (body->done)
        return 0;
    if (body->framing == WR_H1_BODY_UNTIL_CLOSE) {
        *ret_len = len;
        return (ssize_t)len;
    }
    if (body->framing == WR_H1_BODY_LENGTH) {
        pos = take(body, data, len, 0, ret_data, ret_len);
        body->done = body->remaining == 0;
        return (ssize_t)pos;
    }
    while (pos < len && !body->done) {
        if (body->state == DATA) {
            pos = take(body, data, len, pos, ret_data, ret_len);
            if (body->remaining == 0)
                body->state = DATA_CR;
            break;
        }
        int r = framing_byte(body, data[pos], err);
        if (r < 0)
            return r;
        pos++;
    }
    return (ssize_t)pos;
}
