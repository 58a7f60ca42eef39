#include "server/api/network_config.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "json/jread.h"

#define MAX_DOMAIN 253
#define MAX_ENTRY  300
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS     "0123456789"

struct parts {
    bool allow_public, has_allow_public;
    json_t *allow_out, *deny_out, *dns_servers, *egress_proxy, *rules, *https_ports;
    const char *mask_request_host;
    bool allow_internet_access;
};

/* What an address entry is. */
enum address {
    NO_ADDRESS = 0,
    PLAIN_ADDRESS = 1, /* an address or a range */
    UNSPECIFIED = 2,   /* 0.0.0.0 or ::, with or without a prefix length */
};

static enum address classify(const char *text)
{
    unsigned char bytes[16] = {0};
    char address[64];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    uint64_t prefix = 0;

    if (len >= sizeof address)
        return NO_ADDRESS;
    memcpy(address, text, len);
    address[len] = '\0';
    bool v4 = inet_pton(AF_INET, address, bytes) == 1;
    if (!v4 && inet_pton(AF_INET6, address, bytes) != 1)
        return NO_ADDRESS;
    if (slash && wr_parse_u64(slash + 1, 0, v4 ? 32 : 128, &prefix) < 0)
        return NO_ADDRESS;
    for (size_t i = 0; i < sizeof bytes; i++)
        if (bytes[i])
            return PLAIN_ADDRESS;
    return UNSPECIFIED;
}

/* One or more labels; `text` has no port. The last one has a letter, else it is a broken address.
 */
static bool is_domain(const char *text)
{
    size_t total = strlen(text);
    const char *label = text;

    if (total == 0 || total > MAX_DOMAIN)
        return false;
    for (;;) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-' ||
            strspn(label, LETTERS DIGITS "-_") < len)
            return false;
        if (!label[len])
            return strpbrk(label, LETTERS) != NULL;
        label += len + 1;
    }
}

/* "example.com", "*.example.com" or "*". */
static bool is_domain_pattern(const char *text)
{
    return wr_streq(text, "*") || is_domain(wr_starts_with(text, "*.") ? text + 2 : text);
}

static const char *entry(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && strlen(text) == json_string_length(value) && strlen(text) <= MAX_ENTRY ? text
                                                                                          : NULL;
}

static int check_deny(const json_t *list, bool *ret_all, struct wr_error *err)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value) {
        const char *text = entry(value);
        enum address kind = text ? classify(text) : NO_ADDRESS;
        bool all = text && wr_streq(text, WR_ALL_TRAFFIC);
        if (kind == NO_ADDRESS || (kind == UNSPECIFIED && !all))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "invalid denied CIDR %.100s",
                           text ? text : "(not a string)");
        *ret_all = *ret_all || all;
    }
    return 0;
}

static int check_allow(const json_t *list, bool all_denied, struct wr_error *err)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value) {
        const char *text = entry(value);
        bool is_address = text && classify(text) != NO_ADDRESS;
        if (!text || (!is_address && !is_domain_pattern(text)))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "invalid allowed address %.100s",
                           text ? text : "(not a string)");
        if (!is_address && !all_denied)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "When specifying allowed domains in allow out, you must include "
                           "'ALL_TRAFFIC' in deny out to block all other traffic.");
    }
    return 0;
}

static int check_dns(const json_t *list, struct wr_error *err)
{
    struct in_addr address;
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value) {
        const char *text = entry(value);
        if (!text || inet_pton(AF_INET, text, &address) != 1)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "network.dnsServers: \"%.60s\" is not an IPv4 address",
                           text ? text : "(not a string)");
    }
    return 0;
}

/* `host[:port]`, where "${PORT}" stands for the port that a client asked for. */
static bool is_host_mask(const char *text)
{
    static const char mark[] = "${PORT}";
    char host[MAX_ENTRY + 1];
    size_t used = 0;
    uint64_t port = 0;

    for (const char *p = text; *p;) {
        bool here = wr_starts_with(p, mark);
        if (used + 2 >= sizeof host)
            return false;
        host[used++] = here ? '8' : *p;
        if (here)
            host[used++] = '0';
        p += here ? sizeof mark - 1 : 1;
    }
    host[used] = '\0';
    char *colon = strchr(host, ':');
    if (colon && wr_parse_u64(colon + 1, 1, 65535, &port) < 0)
        return false;
    if (colon)
        *colon = '\0';
    return is_domain(host) || classify(host) == PLAIN_ADDRESS;
}

static int not_yet(const char *name, struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.%s is not available yet", name);
}

static int check(const struct parts *parts, struct wr_error *err)
{
    bool all_denied = false;

    if (parts->egress_proxy)
        return not_yet("egressProxy", err);
    if (json_object_size(parts->rules) > 0)
        return not_yet("rules", err);
    if (json_array_size(parts->https_ports) > 0)
        return not_yet("httpsPorts", err);
    int r = check_deny(parts->deny_out, &all_denied, err);
    if (r == 0)
        r = check_allow(parts->allow_out, all_denied, err);
    if (r == 0)
        r = check_dns(parts->dns_servers, err);
    if (r == 0 && parts->mask_request_host && !is_host_mask(parts->mask_request_host))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "mask request host is not valid");
    return r;
}

static int read_parts(const json_t *network, enum wr_network_use use, bool lenient,
                      struct parts *parts, struct wr_error *err)
{
    const struct wr_json_field fields[] = {
        {.name = "allowOut",
         .kind = WR_JSON_ARRAY,
         .ret = &parts->allow_out,
         .max = WR_NETWORK_MAX_ENTRIES},
        {.name = "denyOut",
         .kind = WR_JSON_ARRAY,
         .ret = &parts->deny_out,
         .max = WR_NETWORK_MAX_ENTRIES},
        {.name = "dnsServers", .kind = WR_JSON_ARRAY, .ret = &parts->dns_servers, .max = 16},
        {.name = "egressProxy", .kind = WR_JSON_OBJECT, .ret = &parts->egress_proxy},
        {.name = "rules", .kind = WR_JSON_OBJECT, .ret = &parts->rules},
        /* Of an update. */
        {.name = "allow_internet_access",
         .kind = WR_JSON_BOOL,
         .ret = &parts->allow_internet_access},
        /* Of a creation. */
        {.name = "httpsPorts", .kind = WR_JSON_ARRAY, .ret = &parts->https_ports, .max = 64},
        {.name = "allowPublicTraffic",
         .kind = WR_JSON_BOOL,
         .ret = &parts->allow_public,
         .ret_present = &parts->has_allow_public},
        {.name = "maskRequestHost",
         .kind = WR_JSON_STRING,
         .ret = &parts->mask_request_host,
         .max = MAX_ENTRY},
    };
    struct wr_json_field wanted[WR_ARRAY_SIZE(fields)];
    size_t common = 5, count = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(fields); i++) {
        bool of_update = i == common, of_creation = i > common;
        if (i < common || (use == WR_NETWORK_UPDATE ? of_update : of_creation))
            wanted[count++] = fields[i];
    }
    return wr_json_read(network, wanted, count,
                        lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
}

static bool keep(json_t *out, const char *name, json_t *value)
{
    return !value || json_object_set(out, name, value) == 0;
}

int wr_network_config_read(const json_t *network, enum wr_network_use use, bool lenient,
                           json_t **ret, struct wr_error *err)
{
    struct parts parts = {.allow_public = true};
    int r = read_parts(network, use, lenient, &parts, err);

    if (r < 0)
        return wr_wrap(err, "validation error: network");
    r = check(&parts, err);
    if (r < 0)
        return r;
    wr_auto_json *out = json_object();
    if (!out || !keep(out, "allowOut", parts.allow_out) || !keep(out, "denyOut", parts.deny_out) ||
        !keep(out, "dnsServers", parts.dns_servers) ||
        (parts.has_allow_public &&
         json_object_set_new(out, "allowPublicTraffic", json_boolean(parts.allow_public)) < 0) ||
        (parts.mask_request_host &&
         json_object_set_new(out, "maskRequestHost", json_string(parts.mask_request_host)) < 0))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "network");
    *ret = json_incref(out);
    return 0;
}

json_t *wr_network_config_update(const json_t *before, const json_t *update)
{
    static const char *const kept[] = {"allowPublicTraffic", "maskRequestHost"};
    wr_auto_json *out = json_copy((json_t *)(uintptr_t)update);

    for (size_t i = 0; out && i < WR_ARRAY_SIZE(kept); i++)
        if (!keep(out, kept[i], json_object_get(before, kept[i])))
            return NULL;
    return json_incref(out);
}

bool wr_network_config_is_public(const json_t *network)
{
    return !json_is_false(json_object_get(network, "allowPublicTraffic"));
}
