#include "server/egress/intercept_headers.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/str.h"

#define SECRET_NAME_MAX 128

static const char mark[] = "${e2b.";
static const char secret_mark[] = "${e2b.secrets.";

/* ---- the host ---- */

static void say(const char *text, size_t len, char said[static WR_INTERCEPT_SAID_MAX + 1])
{
    size_t n = WR_MIN(len, (size_t)WR_INTERCEPT_SAID_MAX);

    for (size_t i = 0; i < n; i++)
        said[i] = text[i] > 0x20 && text[i] < 0x7f ? text[i] : '?';
    said[n] = '\0';
}

/* Whether "host[:port]" is that name and port. */
static bool is_host(const char *text, size_t len, const char *name, uint16_t port)
{
    const char *colon = memrchr(text, ':', len);
    size_t host_len = colon ? (size_t)(colon - text) : len;
    char digits[8];
    uint64_t said = 0;

    if (colon) {
        size_t n = len - host_len - 1;
        if (n == 0 || n >= sizeof digits)
            return false;
        memcpy(digits, colon + 1, n);
        digits[n] = '\0';
        if (wr_parse_u64(digits, 1, 65535, &said) < 0 || said != port)
            return false;
    }
    if (host_len > 0 && text[host_len - 1] == '.')
        host_len--;
    return wr_memcaseeq(text, host_len, name, strlen(name));
}

/* The authority of an absolute-form target; NULL of another form. */
static const char *authority_of(const struct wr_h1_head *head, size_t *ret_len)
{
    const char *target = head->target, *end = target + head->target_len;
    const char *scheme = *target == '/' ? NULL : memmem(target, head->target_len, "://", 3);

    if (!scheme)
        return NULL;
    const char *from = scheme + 3, *to = from;
    while (to < end && *to != '/' && *to != '?')
        to++;
    *ret_len = (size_t)(to - from);
    return from;
}

bool wr_intercept_host_agrees(const struct wr_h1_head *head, const char *name, uint16_t port,
                              char said[static WR_INTERCEPT_SAID_MAX + 1])
{
    const struct wr_h1_header *host = wr_h1_find(head, "Host");
    size_t len = 0;
    const char *authority = authority_of(head, &len);

    say("(none)", 6, said);
    if (!host && !authority)
        return false;
    if (host) {
        say(host->value, host->value_len, said);
        if (!is_host(host->value, host->value_len, name, port))
            return false;
    }
    if (!authority)
        return true;
    say(authority, len, said);
    return is_host(authority, len, name, port);
}

/* ---- fields ---- */

static int append(struct wr_buf *out, const char *text, size_t len, const char *field,
                  struct wr_error *err)
{
    return wr_buf_append(out, text, len) == 0
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                         "the value of %.64s is longer than %zu bytes", field,
                         WR_INTERCEPT_VALUE_MAX);
}

/* The placeholder at `*from`, which is moved behind it. */
static int append_secret(const struct wr_net_header *header, const char **from,
                         const struct wr_intercept_secrets *secrets, struct wr_buf *out,
                         struct wr_error *err)
{
    const char *at = *from + sizeof secret_mark - 1, *end = strchr(at, '}');
    char name[SECRET_NAME_MAX + 1];

    if (!wr_starts_with(*from, secret_mark) || !end || (size_t)(end - at) > SECRET_NAME_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the value of %.64s has a placeholder that stands for nothing",
                       header->name);
    for (size_t i = 0; i < (size_t)(end - at); i++)
        name[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + ('a' - 'A') : at[i]);
    name[end - at] = '\0';
    *from = end + 1;
    return secrets->find(name, out, secrets->data, err);
}

static int compose(const struct wr_net_header *header, const struct wr_intercept_secrets *secrets,
                   struct wr_buf *out, struct wr_error *err)
{
    const char *from = header->value;
    int r = 0;

    while (r == 0 && *from) {
        const char *next = strstr(from, mark);
        size_t plain = next ? (size_t)(next - from) : strlen(from);
        r = append(out, from, plain, header->name, err);
        from += plain;
        if (r == 0 && next)
            r = append_secret(header, &from, secrets, out, err);
    }
    return r;
}

/* Nothing that would end the field, or the head. */
static bool is_field_value(const struct wr_buf *value)
{
    const char *text = wr_buf_ptr(value);

    for (size_t i = 0; i < value->len; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

/* What this proxy writes itself, or what decides where the request goes. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"Host",       "Connection",        "Content-Length",
                                        "Keep-Alive", "Transfer-Encoding", "Upgrade",
                                        "TE",         "Trailer",           "Expect"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (wr_strcaseeq(name, names[i]))
            return true;
    return false;
}

static int add_field(const struct wr_net_header *header, const struct wr_intercept_secrets *secrets,
                     struct wr_buf *out, struct wr_error *err)
{
    wr_auto_buf value = WR_BUF(WR_INTERCEPT_VALUE_MAX);

    value.wipe = true;
    if (is_ours(header->name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the field %.64s cannot be set by a rule",
                       header->name);
    int r = compose(header, secrets, &value, err);
    if (r < 0)
        return r;
    if (!is_field_value(&value))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the value of %.64s has control characters, which no header may hold",
                       header->name);
    if (wr_buf_append(out, header->name, strlen(header->name) + 1) < 0 ||
        wr_buf_append(out, wr_buf_ptr(&value), value.len) < 0 || wr_buf_append_char(out, '\0') < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the rule's headers are longer than %zu bytes", WR_INTERCEPT_FIELDS_MAX);
    return 0;
}

int wr_intercept_fields(const struct wr_net_transform *transform, bool may_be_secret,
                        const struct wr_intercept_secrets *secrets, struct wr_buf *out,
                        struct wr_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < transform->header_count; i++) {
        const struct wr_net_header *header = &transform->headers[i];
        if (may_be_secret || !strstr(header->value, mark))
            r = add_field(header, secrets, out, err);
    }
    return r;
}

const char *wr_intercept_next_field(const struct wr_buf *fields, size_t *pos, const char **value)
{
    const char *text = wr_buf_ptr(fields);

    if (*pos >= fields->len)
        return NULL;
    const char *name = text + *pos;
    *value = name + strlen(name) + 1;
    *pos = (size_t)(*value - text) + strlen(*value) + 1;
    return name;
}

bool wr_intercept_upgrades(const struct wr_h1_head *head)
{
    static const char protocol[] = "websocket";
    size_t count = 0;

    for (size_t i = 0; head->upgrade && i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        if (!wr_memcaseeq(field->name, field->name_len, "Upgrade", 7))
            continue;
        if (!wr_memcaseeq(field->value, field->value_len, protocol, sizeof protocol - 1))
            return false;
        count++;
    }
    return count == 1;
}

bool wr_intercept_passes(const struct wr_h1_head *head, const struct wr_h1_header *field,
                         const struct wr_buf *fields)
{
    static const char *const never[] = {"Content-Length", "Expect"};
    const char *name = NULL, *value = NULL;
    size_t pos = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(never); i++)
        if (wr_memcaseeq(field->name, field->name_len, never[i], strlen(never[i])))
            return false;
    while ((name = wr_intercept_next_field(fields, &pos, &value)))
        if (wr_memcaseeq(field->name, field->name_len, name, strlen(name)))
            return false;
    if (wr_intercept_upgrades(head) && wr_memcaseeq(field->name, field->name_len, "Upgrade", 7))
        return true;
    return !wr_h1_is_hop_by_hop(head, field);
}
