/*
 * Heads are scanned byte by byte from the front, and every complaint is about the first bad byte.
 * So a prefix of a bad head gives either "more" or the same complaint, whatever the pieces it
 * arrives in.
 */
#include <string.h>

#include "base/str.h"
#include "http/h1.h"
#include "http/h1_chars.h"
#include "http/h1_head.h"

struct scan {
    const char *data;
    size_t len; /* at most WR_HTTP_MAX_HEAD */
    size_t pos;
    int status; /* for the answer, with -WR_E_INVALID_ARGUMENT */
    struct wr_error *err;
};

enum { SCAN_MORE = 0, SCAN_OK = 1 }; /* or negative */

static int refuse(struct scan *s, int status, const char *why)
{
    s->status = status;
    return wr_fail(s->err, WR_E_INVALID_ARGUMENT, 0, "bad HTTP head at byte %zu: %s", s->pos, why);
}

static int expect_text(struct scan *s, const char *text, int status, const char *why)
{
    for (size_t i = 0; text[i]; i++) {
        if (s->pos == s->len)
            return SCAN_MORE;
        if (s->data[s->pos] != text[i])
            return refuse(s, status, why);
        s->pos++;
    }
    return SCAN_OK;
}

static int scan_crlf(struct scan *s)
{
    return expect_text(s, "\r\n", 400, "CR LF was expected");
}

static int scan_method(struct scan *s, struct wr_h1_head *out)
{
    size_t start = s->pos;

    for (; s->pos < s->len; s->pos++) {
        char c = s->data[s->pos];
        if (c == ' ' && s->pos > start) {
            out->method = s->data + start;
            out->method_len = s->pos - start;
            s->pos++;
            return SCAN_OK;
        }
        if (!wr_h1_is(c, WR_H1_TOKEN))
            return refuse(s, 400, "the method is not a token");
        if (s->pos - start == WR_HTTP_MAX_METHOD)
            return refuse(s, 501, "the method is too long");
    }
    return SCAN_MORE;
}

/* Origin-form, absolute-form or "*" with OPTIONS (RFC 9112 3.2). CONNECT and its authority-form are
 * not served. */
static int check_target_form(struct scan *s, const struct wr_h1_head *out)
{
    const char *authority = NULL;
    size_t authority_len = 0;

    if (wr_memcaseeq(out->method, out->method_len, "CONNECT", 7))
        return refuse(s, 501, "CONNECT is not supported");
    if (out->target[0] == '/')
        return SCAN_OK;
    if (out->target_len == 1 && out->target[0] == '*')
        return out->method_len == 7 && memcmp(out->method, "OPTIONS", 7) == 0
                   ? SCAN_OK
                   : refuse(s, 400, "the target \"*\" is for OPTIONS only");
    wr_h1_target_authority(out, &authority, &authority_len);
    if (authority_len == 0 || memchr(authority, '@', authority_len))
        return refuse(s, 400, "the target is neither a path nor an http URL");
    return SCAN_OK;
}

static int scan_target(struct scan *s, struct wr_h1_head *out)
{
    size_t start = s->pos;

    for (; s->pos < s->len; s->pos++) {
        char c = s->data[s->pos];
        if (c == ' ' && s->pos > start) {
            out->target = s->data + start;
            out->target_len = s->pos - start;
            int r = check_target_form(s, out);
            s->pos++;
            return r;
        }
        if (!wr_h1_is(c, WR_H1_TARGET))
            return refuse(s, 400, "a byte in the target is not allowed");
        if (s->pos - start == WR_HTTP_MAX_TARGET)
            return refuse(s, 414, "the target is too long");
    }
    return SCAN_MORE;
}

static int scan_version(struct scan *s, struct wr_h1_head *out)
{
    int r = expect_text(s, "HTTP/", 400, "\"HTTP/\" was expected");
    if (r != SCAN_OK)
        return r;
    size_t start = s->pos;
    for (; s->pos < start + 3; s->pos++) {
        if (s->pos == s->len)
            return SCAN_MORE;
        char c = s->data[s->pos];
        if (s->pos == start + 1 ? c != '.' : !wr_h1_is_digit(c))
            return refuse(s, 400, "bad HTTP version");
        if ((s->pos == start && c != '1') || (s->pos == start + 2 && c != '0' && c != '1'))
            return refuse(s, 505, "only HTTP/1.0 and HTTP/1.1 are supported");
    }
    out->minor_version = s->data[start + 2] - '0';
    return SCAN_OK;
}

static int scan_status(struct scan *s, struct wr_h1_head *out)
{
    int r = expect_text(s, " ", 502, "a blank was expected before the status");
    if (r != SCAN_OK)
        return r;
    size_t start = s->pos;
    for (; s->pos < start + 3; s->pos++) {
        if (s->pos == s->len)
            return SCAN_MORE;
        char c = s->data[s->pos];
        if (!wr_h1_is_digit(c) || (s->pos == start && c == '0'))
            return refuse(s, 502, "bad status code");
        out->status = out->status * 10 + (c - '0');
    }
    if (s->pos == s->len)
        return SCAN_MORE;
    out->reason = s->data + s->pos;
    /* The blank before an empty reason is missing in the wild; nothing depends on it. */
    if (s->data[s->pos] == '\r')
        return SCAN_OK;
    r = expect_text(s, " ", 502, "a blank was expected after the status");
    if (r != SCAN_OK)
        return r;
    start = s->pos;
    while (s->pos < s->len && wr_h1_is(s->data[s->pos], WR_H1_VALUE))
        s->pos++;
    out->reason = s->data + start;
    out->reason_len = s->pos - start;
    return SCAN_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int scan_field(struct scan *s, struct wr_h1_header *field)
{
    size_t start = s->pos;

    if (is_blank(s->data[s->pos]))
        return refuse(s, 400, "a field line starts with a blank (obsolete folding)");
    while (s->pos < s->len && wr_h1_is(s->data[s->pos], WR_H1_TOKEN))
        s->pos++;
    if (s->pos == s->len)
        return SCAN_MORE;
    if (s->data[s->pos] != ':' || s->pos == start)
        return refuse(s, 400, "the field name is not a token followed by a colon");
    field->name = s->data + start;
    field->name_len = s->pos - start;
    s->pos++;
    while (s->pos < s->len && is_blank(s->data[s->pos]))
        s->pos++;
    start = s->pos;
    while (s->pos < s->len && wr_h1_is(s->data[s->pos], WR_H1_VALUE))
        s->pos++;
    size_t end = s->pos;
    while (end > start && is_blank(s->data[end - 1]))
        end--;
    field->value = s->data + start;
    field->value_len = end - start;
    return scan_crlf(s);
}

static int scan_fields(struct scan *s, struct wr_h1_head *out)
{
    for (;;) {
        if (s->pos == s->len)
            return SCAN_MORE;
        if (s->data[s->pos] == '\r')
            return scan_crlf(s);
        if (out->header_count == WR_HTTP_MAX_HEADERS)
            return refuse(s, 431, "too many header fields");
        int r = scan_field(s, &out->headers[out->header_count]);
        if (r != SCAN_OK)
            return r;
        out->header_count++;
    }
}

static int scan_request(struct scan *s, struct wr_h1_head *out)
{
    int r = scan_method(s, out);
    if (r == SCAN_OK)
        r = scan_target(s, out);
    if (r == SCAN_OK)
        r = scan_version(s, out);
    if (r == SCAN_OK)
        r = scan_crlf(s);
    return r == SCAN_OK ? scan_fields(s, out) : r;
}

static int scan_response(struct scan *s, struct wr_h1_head *out)
{
    int r = scan_version(s, out);
    if (r == SCAN_OK)
        r = scan_status(s, out);
    if (r == SCAN_OK)
        r = scan_crlf(s);
    return r == SCAN_OK ? scan_fields(s, out) : r;
}

/* The memory of `out` is cleared but for the unused part of the field table, which is never looked
 * at. */
static void clear_head(struct wr_h1_head *out)
{
    memset(out, 0, offsetof(struct wr_h1_head, headers));
    memset(&out->header_count, 0, sizeof(*out) - offsetof(struct wr_h1_head, header_count));
}

static ssize_t finish(struct scan *s, int r, size_t given)
{
    if (r < 0)
        return r;
    if (r == SCAN_OK)
        return (ssize_t)s->pos;
    return given > WR_HTTP_MAX_HEAD || s->len == WR_HTTP_MAX_HEAD
               ? refuse(s, 431, "the head is too long")
               : 0;
}

ssize_t wr_h1_parse_request(const char *data, size_t len, struct wr_h1_head *out, int *ret_status,
                            struct wr_error *err)
{
    struct scan s = {.data = data, .len = WR_MIN(len, (size_t)WR_HTTP_MAX_HEAD), .err = err};

    clear_head(out);
    ssize_t r = finish(&s, scan_request(&s, out), len);
    if (r > 0)
        r = wr_h1_interpret_request(out, &s.status, err) < 0 ? -WR_E_INVALID_ARGUMENT : r;
    if (r < 0)
        *ret_status = s.status;
    return r;
}

ssize_t wr_h1_parse_response(const char *data, size_t len, bool head_request,
                             struct wr_h1_head *out, struct wr_error *err)
{
    struct scan s = {.data = data, .len = WR_MIN(len, (size_t)WR_HTTP_MAX_HEAD), .err = err};

    clear_head(out);
    ssize_t r = finish(&s, scan_response(&s, out), len);
    if (r > 0 && wr_h1_interpret_response(out, head_request, err) < 0)
        return -WR_E_INVALID_ARGUMENT;
    return r;
}
