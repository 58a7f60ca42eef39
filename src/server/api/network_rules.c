#include "server/api/network_rules.h"

#include <errno.h>

#include "base/str.h"
#include "json/jread.h"
#include "server/egress/domain_set.h"

#define PLACEHOLDER   "${e2b."
#define SECRETS       "${e2b.secrets."
#define IDENTITY      "${e2b.identity"
#define MAX_SECRET    128
#define MASK          "***"
#define ALPHANUMERICS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define TOKEN_CHARS   ALPHANUMERICS "!#$%&'*+-.^_`|~"

/* Where a value is, for error texts. */
struct place {
    const char *domain, *header;
};

/* They belong to one connection, say where a message ends, or where it goes: the egress makes them
 * itself. */
static const char *const refused_names[] = {
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
};

static int fail_at(struct wr_error *err, const struct place *place, const char *why)
{
    if (!place->header)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.rules[\"%.80s\"]: %s", place->domain,
                       why);
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "network.rules[\"%.60s\"][0].transform.headers[\"%.40s\"]: %s", place->domain,
                   place->header, why);
}

static int out_of_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "network.rules");
}

static int check_name(const struct place *place, struct wr_error *err)
{
    if (!wr_str_only(place->header, TOKEN_CHARS, 1, WR_RULES_MAX_NAME))
        return fail_at(err, place, "not a header name of 1 to 64 letters, digits and '-'");
    for (size_t i = 0; i < WR_ARRAY_SIZE(refused_names); i++)
        if (wr_strcaseeq(place->header, refused_names[i]))
            return fail_at(err, place, "this header cannot be set: the egress makes it itself");
    return 0;
}

/* The length of the well-formed placeholder of a secret that `text` begins with, else 0. */
static size_t secret_len(const char *text)
{
    size_t prefix = sizeof SECRETS - 1;

    if (!wr_starts_with(text, SECRETS))
        return 0;
    size_t name = strspn(text + prefix, ALPHANUMERICS "_-");
    return name > 0 && name <= MAX_SECRET && text[prefix + name] == '}' ? prefix + name + 1 : 0;
}

static int check_placeholders(const char *value, const struct place *place, size_t *secrets,
                              struct wr_error *err)
{
    for (const char *at = strstr(value, PLACEHOLDER); at; at = strstr(at + 1, PLACEHOLDER)) {
        if (wr_starts_with(at, IDENTITY))
            return fail_at(err, place, "${e2b.identity...} is not available");
        if (!secret_len(at))
            return fail_at(err, place, "a placeholder is written ${e2b.secrets.NAME}");
        if (++*secrets > WR_RULES_MAX_SECRETS)
            return fail_at(err, place, "more than 32 placeholders for one domain");
    }
    return 0;
}

static int check_value(const json_t *json, const struct place *place, size_t *secrets,
                       struct wr_error *err)
{
    const char *value = json_string_value(json);

    if (!value)
        return fail_at(err, place, "the value is not a text");
    if (json_string_length(json) > WR_RULES_MAX_VALUE)
        return fail_at(err, place, "the value is longer than 2048 bytes");
    for (size_t i = 0; i < json_string_length(json); i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return fail_at(err, place, "the value has a control character");
    return check_placeholders(value, place, secrets, err);
}

/* Names are the same in any case: an object can hold one twice. */
static bool has_name(const json_t *headers, const char *name)
{
    const char *other;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)headers, other, value)
        if (wr_strcaseeq(other, name))
            return true;
    return false;
}

static int read_headers(const json_t *headers, const char *domain, json_t *out,
                        struct wr_error *err)
{
    struct place place = {.domain = domain};
    size_t secrets = 0;
    const char *name;
    json_t *value;

    if (json_object_size(headers) > WR_RULES_MAX_HEADERS)
        return fail_at(err, &place, "more than 20 headers");
    json_object_foreach((json_t *)(uintptr_t)headers, name, value) {
        place.header = name;
        int r = check_name(&place, err);
        if (r == 0 && has_name(out, name))
            r = fail_at(err, &place, "the header is there twice");
        if (r == 0)
            r = check_value(value, &place, &secrets, err);
        if (r < 0)
            return r;
        if (json_object_set(out, name, value) < 0)
            return out_of_memory(err);
    }
    return 0;
}

static json_t *rule_of(json_t *headers)
{
    return json_pack("[{s:{s:O}}]", "transform", "headers", headers);
}

static int read_rule(const json_t *rule, const char *domain, bool lenient, json_t **ret,
                     struct wr_error *err)
{
    enum wr_json_unknown unknown = lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN;
    json_t *transform = NULL, *headers = NULL;
    const struct wr_json_field of_rule = {
        .name = "transform", .kind = WR_JSON_OBJECT, .ret = &transform};
    const struct wr_json_field of_transform = {
        .name = "headers", .kind = WR_JSON_OBJECT, .ret = &headers};
    wr_auto_json *kept = json_object();

    if (!kept)
        return out_of_memory(err);
    if (rule && wr_json_read(rule, &of_rule, 1, unknown, err) < 0)
        return wr_wrap(err, "network.rules[\"%.60s\"][0]", domain);
    if (transform && wr_json_read(transform, &of_transform, 1, unknown, err) < 0)
        return wr_wrap(err, "network.rules[\"%.60s\"][0].transform", domain);
    int r = read_headers(headers, domain, kept, err);
    if (r < 0)
        return r;
    *ret = rule_of(kept);
    return *ret ? 0 : out_of_memory(err);
}

static int read_domain(const char *domain, const json_t *list, bool lenient, json_t *out,
                       struct wr_error *err)
{
    const struct place place = {.domain = domain};
    char lower[WR_DOMAIN_MAX + 1];
    wr_auto_json *kept = NULL;

    if (strlen(domain) > WR_RULES_MAX_DOMAIN || wr_streq(domain, "*") ||
        !wr_domain_is_pattern(domain) || !wr_domain_normalize(domain, lower))
        return fail_at(err, &place, "not a domain or *.domain of at most 128 bytes");
    if (!json_is_array(list))
        return fail_at(err, &place, "not a list of rules");
    if (json_array_size(list) > 1)
        return fail_at(err, &place, "more than one rule");
    if (json_object_get(out, lower))
        return fail_at(err, &place, "the domain is there twice");
    int r = read_rule(json_array_get(list, 0), domain, lenient, &kept, err);
    if (r == 0 && json_object_set(out, lower, kept) < 0)
        r = out_of_memory(err);
    return r;
}

int wr_network_rules_read(const json_t *rules, bool lenient, json_t **ret, struct wr_error *err)
{
    wr_auto_json *out = json_object();
    const char *domain;
    json_t *list;
    int r = 0;

    if (!out)
        return out_of_memory(err);
    if (json_object_size(rules) > WR_RULES_MAX_DOMAINS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.rules: more than %d domains",
                       WR_RULES_MAX_DOMAINS);
    json_object_foreach((json_t *)(uintptr_t)rules, domain, list) {
        r = read_domain(domain, list, lenient, out, err);
        if (r < 0)
            return r;
    }
    *ret = json_incref(out);
    return 0;
}

/* Text beside a placeholder may be the secret itself. */
static bool is_placeholders(const char *value)
{
    size_t len = 0;

    while (*value && (len = secret_len(value)) > 0)
        value += len;
    return !*value;
}

json_t *wr_network_rules_shown(const json_t *rules)
{
    wr_auto_json *out = json_deep_copy(rules);
    const char *domain, *name;
    json_t *list, *value;
    void *next;

    if (!out)
        return NULL;
    json_object_foreach(out, domain, list) {
        json_t *headers =
            json_object_get(json_object_get(json_array_get(list, 0), "transform"), "headers");
        json_object_foreach_safe(headers, next, name, value)
        {
            const char *text = json_string_value(value);
            if (!text || is_placeholders(text))
                continue;
            if (json_string_set(value, MASK) < 0)
                return NULL;
        }
    }
    return json_incref(out);
}
