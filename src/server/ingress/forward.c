#include "server/ingress/forward.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"
#include "server/ingress/access.h"
#include "server/ingress/route.h"

#define FORWARDED_HOST "X-Forwarded-Host"

static bool named(const struct wr_h1_header *field, const char *name)
{
    return wr_memcaseeq(field->name, field->name_len, name, strlen(name));
}

char *wr_forward_target(const struct wr_h1_head *head)
{
    const char *target = head->target, *end = target + head->target_len;
    const char *scheme = target[0] == '/' ? NULL : memmem(target, head->target_len, "://", 3);

    if (!scheme)
        return wr_strndup(target, head->target_len);
    const char *rest = scheme + 3;
    while (rest < end && *rest != '/' && *rest != '?')
        rest++;
    size_t len = (size_t)(end - rest);
    bool bare = len == 0 || *rest == '?';
    char *origin = wr_calloc(1, len + 2);
    if (!origin)
        return NULL;
    origin[0] = '/';
    memcpy(origin + (bare ? 1 : 0), rest, len);
    return origin;
}

bool wr_forward_mask(const char *mask, uint16_t port, char *out, size_t cap)
{
    static const char word[] = "${PORT}";
    const char *at = strstr(mask, word);

    if (!at)
        return wr_strcopy(out, cap, mask);
    return wr_strformat(out, cap, "%.*s%u%s", (int)(at - mask), mask, port, at + sizeof word - 1);
}

static bool named_one_of(const struct wr_h1_header *field, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (named(field, names[i]))
            return true;
    return false;
}

/* Whether a request's field passes as it is. `anonymous`: without who the client is. */
static bool passes(const struct wr_h1_head *head, const struct wr_h1_header *field, bool masked,
                   bool anonymous)
{
    static const char *const own[] = {WR_INGRESS_ID, WR_INGRESS_PORT, WR_INGRESS_TOKEN,
                                      "Content-Length", "Expect"};
    static const char *const credentials[] = {"Authorization", "X-Access-Token", "X-API-Key",
                                              "Cookie", "Origin"};

    if (named_one_of(field, own, WR_ARRAY_SIZE(own)) ||
        (anonymous && named_one_of(field, credentials, WR_ARRAY_SIZE(credentials))))
        return false;
    if (masked && (named(field, "Host") || named(field, FORWARDED_HOST)))
        return false;
    if (head->upgrade && named(field, "Upgrade"))
        return true;
    return !wr_h1_is_hop_by_hop(head, field);
}

void wr_forward_request(struct wr_http_call *call, const struct wr_h1_head *head, const char *host,
                        const char *token)
{
    const struct wr_h1_header *sent = wr_h1_find(head, "Host");

    if (host)
        wr_http_call_header(call, "Host", host);
    else if (!sent)
        wr_http_call_header(call, "Host", "localhost"); /* HTTP/1.0 */
    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        if (passes(head, field, host != NULL, token != NULL))
            wr_http_call_header_n(call, field->name, field->name_len, field->value,
                                  field->value_len);
    }
    if (host && sent)
        wr_http_call_header_n(call, FORWARDED_HOST, strlen(FORWARDED_HOST), sent->value,
                              sent->value_len);
    if (token)
        wr_http_call_header(call, "X-Access-Token", token);
    /* Written anew: the client's may name fields that end here. */
    if (head->upgrade)
        wr_http_call_header(call, "Connection", "Upgrade");
}

void wr_forward_response(struct wr_exchange *ex, const struct wr_h1_head *head, bool upgrade)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];

        /* The framing is written anew by our side of each connection. */
        if (named(field, "Content-Length") || (!upgrade && wr_h1_is_hop_by_hop(head, field)))
            continue;
        wr_exchange_header_n(ex, field->name, field->name_len, field->value, field->value_len);
    }
}

int64_t wr_forward_length(const struct wr_h1_head *head, bool head_request)
{
    char text[24];
    uint64_t length = 0;

    if (head_request)
        return wr_h1_get(head, "Content-Length", text, sizeof text) &&
                       wr_parse_u64(text, 0, INT64_MAX, &length) == 0
                   ? (int64_t)length
                   : -1;
    switch (head->framing) {
    case WR_H1_BODY_NONE:
        return 0;
    case WR_H1_BODY_LENGTH:
        return (int64_t)head->content_length;
    case WR_H1_BODY_CHUNKED:
    case WR_H1_BODY_UNTIL_CLOSE:
        return -1;
    }
    return -1;
}
