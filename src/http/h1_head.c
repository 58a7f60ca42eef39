#include "http/h1_head.h"

#include <string.h>

#include "base/str.h"
#include "http/h1_chars.h"

/* Options in all Connection fields together. Each costs a comparison per field when hop-by-hop
 * fields are dropped. */
#define MAX_CONNECTION_OPTIONS 32

static bool named(const struct wr_h1_header *field, const char *name)
{
    return wr_memcaseeq(field->name, field->name_len, name, strlen(name));
}

/* The next element of a comma-separated list, without blanks around it; false at the end. Empty
 * elements are passed over. */
static bool next_element(const char **pos, const char *end, const char **ret, size_t *ret_len)
{
    const char *p = *pos;

    while (p < end && (*p == ',' || *p == ' ' || *p == '\t'))
        p++;
    if (p == end)
        return false;
    const char *comma = memchr(p, ',', (size_t)(end - p));
    const char *stop = comma ? comma : end;
    *pos = stop;
    while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    *ret = p;
    *ret_len = (size_t)(stop - p);
    return true;
}

const struct wr_h1_header *wr_h1_find(const struct wr_h1_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (named(&head->headers[i], name))
            return &head->headers[i];
    return NULL;
}

bool wr_h1_get(const struct wr_h1_head *head, const char *name, char *out, size_t cap)
{
    const struct wr_h1_header *field = wr_h1_find(head, name);

    if (!field || field->value_len >= cap)
        return false;
    memcpy(out, field->value, field->value_len);
    out[field->value_len] = '\0';
    return true;
}

static bool has_element(const struct wr_h1_head *head, const char *name, const char *token,
                        size_t token_len)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        const char *pos = field->value, *element = NULL;
        size_t len = 0;

        if (!named(field, name))
            continue;
        while (next_element(&pos, field->value + field->value_len, &element, &len))
            if (wr_memcaseeq(element, len, token, token_len))
                return true;
    }
    return false;
}

bool wr_h1_has_token(const struct wr_h1_head *head, const char *name, const char *token)
{
    return has_element(head, name, token, strlen(token));
}

bool wr_h1_is_hop_by_hop(const struct wr_h1_head *head, const struct wr_h1_header *header)
{
    static const char *const always[] = {
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Transfer-Encoding",
        "Trailer",
        "Upgrade",
    };
    /* Connection must not name these; a sender that does cannot make a proxy lose them. */
    static const char *const never[] = {"Host", "Content-Length"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(always); i++)
        if (named(header, always[i]))
            return true;
    for (size_t i = 0; i < WR_ARRAY_SIZE(never); i++)
        if (named(header, never[i]))
            return false;
    return has_element(head, "Connection", header->name, header->name_len);
}

void wr_h1_target_authority(const struct wr_h1_head *head, const char **ret, size_t *ret_len)
{
    static const char *const schemes[] = {"http://", "https://"};

    *ret = NULL;
    *ret_len = 0;
    for (size_t i = 0; i < WR_ARRAY_SIZE(schemes); i++) {
        size_t skip = strlen(schemes[i]);
        if (head->target_len < skip || !wr_memcaseeq(head->target, skip, schemes[i], skip))
            continue;
        size_t len = 0;
        while (skip + len < head->target_len && !strchr("/?", head->target[skip + len]))
            len++;
        *ret = head->target + skip;
        *ret_len = len;
    }
}

struct verdict {
    int status;
    struct wr_error *err;
};

static int refuse(struct verdict *v, int status, const char *why)
{
    v->status = status;
    return wr_fail(v->err, WR_E_INVALID_ARGUMENT, 0, "bad HTTP head: %s", why);
}

static int read_length(struct wr_h1_head *head, const struct wr_h1_header *field, struct verdict *v)
{
    uint64_t value = 0;

    if (field->value_len == 0)
        return refuse(v, 400, "Content-Length is empty");
    for (size_t i = 0; i < field->value_len; i++) {
        char c = field->value[i];
        if (!wr_h1_is_digit(c))
            return refuse(v, 400, "Content-Length is not a decimal number");
        if (value > (INT64_MAX - 9) / 10)
            return refuse(v, 413, "Content-Length is too large");
        value = value * 10 + (uint64_t)(c - '0');
    }
    head->framing = WR_H1_BODY_LENGTH;
    head->content_length = value;
    return 0;
}

static int read_coding(struct wr_h1_head *head, const struct wr_h1_header *field, struct verdict *v)
{
    if (head->minor_version == 0)
        return refuse(v, 400, "Transfer-Encoding in HTTP/1.0");
    if (wr_memcaseeq(field->value, field->value_len, "chunked", 7)) {
        head->framing = WR_H1_BODY_CHUNKED;
        return 0;
    }
    /* "gzip, chunked" is well-formed and not understood (RFC 9112 6.1); all else is bad framing. */
    const char *pos = field->value, *element = NULL;
    size_t len = 0, chunked = 0;
    bool last = false;
    while (next_element(&pos, field->value + field->value_len, &element, &len)) {
        last = wr_memcaseeq(element, len, "chunked", 7);
        chunked += last;
    }
    return refuse(v, last && chunked == 1 ? 501 : 400,
                  "Transfer-Encoding is not exactly \"chunked\"");
}

/* RFC 9112 6.3, with everything refused that two parsers could read differently. */
static int interpret_framing(struct wr_h1_head *head, struct verdict *v)
{
    const struct wr_h1_header *length = NULL, *coding = NULL;

    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        if (named(field, "Content-Length")) {
            if (length)
                return refuse(v, 400, "Content-Length more than once");
            length = field;
        } else if (named(field, "Transfer-Encoding")) {
            if (coding)
                return refuse(v, 400, "Transfer-Encoding more than once");
            coding = field;
        }
    }
    if (length && coding)
        return refuse(v, 400, "Content-Length together with Transfer-Encoding");
    if (length)
        return read_length(head, length, v);
    return coding ? read_coding(head, coding, v) : 0;
}

static int interpret_connection(struct wr_h1_head *head, struct verdict *v)
{
    size_t options = 0;

    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        const char *pos = field->value, *element = NULL;
        size_t len = 0;
        if (!named(field, "Connection"))
            continue;
        while (next_element(&pos, field->value + field->value_len, &element, &len))
            if (++options > MAX_CONNECTION_OPTIONS)
                return refuse(v, 400, "too many options in Connection");
    }
    bool persistent = head->minor_version == 1 || wr_h1_has_token(head, "Connection", "keep-alive");
    head->keep_alive = persistent && !wr_h1_has_token(head, "Connection", "close");
    head->upgrade = head->minor_version == 1 && wr_h1_has_token(head, "Connection", "upgrade") &&
                    wr_h1_find(head, "Upgrade") != NULL;
    return 0;
}

static bool host_valid(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!wr_h1_is(s[i], WR_H1_TOKEN) && !strchr("()[]:;,=", s[i]))
            return false;
    return true;
}

/* RFC 9112 3.2: exactly one valid Host in HTTP/1.1. A URL as target must name the same host. */
static int interpret_host(const struct wr_h1_head *head, struct verdict *v)
{
    const struct wr_h1_header *host = NULL;
    const char *authority = NULL;
    size_t authority_len = 0;

    for (size_t i = 0; i < head->header_count; i++) {
        if (!named(&head->headers[i], "Host"))
            continue;
        if (host)
            return refuse(v, 400, "Host more than once");
        host = &head->headers[i];
    }
    if (!host)
        return head->minor_version == 0 ? 0 : refuse(v, 400, "Host is missing");
    if (!host_valid(host->value, host->value_len))
        return refuse(v, 400, "Host is not a host name with an optional port");
    wr_h1_target_authority(head, &authority, &authority_len);
    if (authority_len > 0 && !wr_memcaseeq(authority, authority_len, host->value, host->value_len))
        return refuse(v, 400, "Host differs from the target");
    return 0;
}

static int interpret_expect(struct wr_h1_head *head, struct verdict *v)
{
    const struct wr_h1_header *expect = wr_h1_find(head, "Expect");

    if (!expect || head->minor_version == 0)
        return 0;
    if (!wr_memcaseeq(expect->value, expect->value_len, "100-continue", 12))
        return refuse(v, 417, "Expect is not \"100-continue\"");
    head->expect_continue = true;
    return 0;
}

int wr_h1_interpret_request(struct wr_h1_head *head, int *ret_status, struct wr_error *err)
{
    struct verdict v = {.err = err};

    int r = interpret_framing(head, &v);
    if (r == 0)
        r = interpret_host(head, &v);
    if (r == 0)
        r = interpret_connection(head, &v);
    if (r == 0)
        r = interpret_expect(head, &v);
    if (r < 0)
        *ret_status = v.status;
    return r;
}

int wr_h1_interpret_response(struct wr_h1_head *head, bool head_request, struct wr_error *err)
{
    struct verdict v = {.err = err};

    int r = interpret_framing(head, &v);
    if (r == 0)
        r = interpret_connection(head, &v);
    if (r < 0)
        return r;
    if (head_request || head->status < 200 || head->status == 204 || head->status == 304) {
        head->framing = WR_H1_BODY_NONE;
    } else if (head->framing == WR_H1_BODY_NONE) {
        head->framing = WR_H1_BODY_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return 0;
}
