#include "server/api/network_config.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "json/jread.h"
#include "server/api/network_lists.h"
#include "server/api/network_proxy.h"
#include "server/api/network_rules.h"
#include "server/egress/address.h"
#include "server/egress/domain_set.h"

#define MAX_MASK   300
#define MAX_LABEL  63
#define LOWER      "abcdefghijklmnopqrstuvwxyz"
#define DIGITS     "0123456789"
#define MAX_PORTS  64
#define OF_BOTH    7 /* rows of the table in read_parts() that an update has, too */
#define UPDATE_ROW OF_BOTH

struct parts {
    bool allow_public, has_allow_public;
    json_t *allow_out, *deny_out, *dns_servers, *egress_proxy, *rules, *https_ports;
    const char *mask_request_host, *group, *hostname;
    bool allow_internet_access;
};

/* `host[:port]`, where "${PORT}" stands for the port that a client asked for. */
static bool is_host_mask(const char *text)
{
    static const char mark[] = "${PORT}";
    char host[MAX_MASK + 1];
    struct wr_ip address;
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
    return wr_domain_is_name(host) || (wr_ip_parse(host, &address) && !wr_streq(host, "0.0.0.0"));
}

static int check_group(const char *group, struct wr_error *err)
{
    if (!group || wr_str_only(group, LOWER DIGITS "-", 1, MAX_LABEL))
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "network.group: \"%.70s\" is not 1 to 63 of a-z, 0-9 and '-'", group);
}

static int check_hostname(const struct parts *parts, struct wr_error *err)
{
    const char *name = parts->hostname;

    if (!name)
        return 0;
    if (!parts->group)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "network.hostname: it is a name in a group, and there is no network.group");
    if (!wr_str_only(name, LOWER DIGITS "-", 1, MAX_LABEL) || name[0] == '-' ||
        name[strlen(name) - 1] == '-')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "network.hostname: \"%.70s\" is not a label of 1 to 63 of a-z, 0-9 and '-'",
                       name);
    /* It would be the name of another member. */
    if (wr_id_valid(name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "network.hostname: \"%s\" looks like the id of a sandbox", name);
    return 0;
}

static int check(const struct parts *parts, const struct wr_network_reading *reading,
                 struct wr_error *err)
{
    const struct wr_network_lists lists = {
        .allow = parts->allow_out,
        .deny = parts->deny_out,
        .dns = parts->dns_servers,
        .no_internet = reading->no_internet || !parts->allow_internet_access,
    };

    if (json_array_size(parts->https_ports) > 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.httpsPorts is not available yet");
    int r = wr_network_lists_check(&lists, err);
    if (r == 0 && parts->mask_request_host && !is_host_mask(parts->mask_request_host))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                    "mask request host is not valid (network.maskRequestHost)");
    if (r == 0)
        r = check_group(parts->group, err);
    return r < 0 ? r : check_hostname(parts, err);
}

static int read_parts(const json_t *network, const struct wr_network_reading *reading,
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
        {.name = "dnsServers",
         .kind = WR_JSON_ARRAY,
         .ret = &parts->dns_servers,
         .max = WR_NETWORK_MAX_DNS},
        {.name = "egressProxy", .kind = WR_JSON_OBJECT, .ret = &parts->egress_proxy},
        {.name = "rules", .kind = WR_JSON_OBJECT, .ret = &parts->rules},
        {.name = "group", .kind = WR_JSON_STRING, .ret = &parts->group},
        {.name = "hostname", .kind = WR_JSON_STRING, .ret = &parts->hostname},
        /* Of an update. */
        {.name = "allow_internet_access",
         .kind = WR_JSON_BOOL,
         .ret = &parts->allow_internet_access},
        /* Of a creation. */
        {.name = "httpsPorts", .kind = WR_JSON_ARRAY, .ret = &parts->https_ports, .max = MAX_PORTS},
        {.name = "allowPublicTraffic",
         .kind = WR_JSON_BOOL,
         .ret = &parts->allow_public,
         .ret_present = &parts->has_allow_public},
        {.name = "maskRequestHost",
         .kind = WR_JSON_STRING,
         .ret = &parts->mask_request_host,
         .max = MAX_MASK},
    };
    struct wr_json_field wanted[WR_ARRAY_SIZE(fields)];
    size_t count = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(fields); i++) {
        bool of_update = i == UPDATE_ROW, of_creation = i > UPDATE_ROW;
        if (i < OF_BOTH || (reading->use == WR_NETWORK_UPDATE ? of_update : of_creation))
            wanted[count++] = fields[i];
    }
    return wr_json_read(network, wanted, count,
                        reading->lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
}

static bool keep(json_t *out, const char *name, json_t *value)
{
    return !value || json_object_set(out, name, value) == 0;
}

static bool keep_text(json_t *out, const char *name, const char *text)
{
    return !text || json_object_set_new(out, name, json_string(text)) == 0;
}

/* The parts that are copied as they are. */
static bool keep_parts(json_t *out, const struct parts *parts)
{
    return keep(out, "allowOut", parts->allow_out) && keep(out, "denyOut", parts->deny_out) &&
           keep(out, "dnsServers", parts->dns_servers) && keep_text(out, "group", parts->group) &&
           keep_text(out, "hostname", parts->hostname) &&
           (!parts->has_allow_public ||
            json_object_set_new(out, "allowPublicTraffic", json_boolean(parts->allow_public)) ==
                0) &&
           keep_text(out, "maskRequestHost", parts->mask_request_host);
}

int wr_network_config_read(const json_t *network, const struct wr_network_reading *reading,
                           json_t **ret, struct wr_error *err)
{
    struct parts parts = {.allow_public = true, .allow_internet_access = true};
    wr_auto_json *out = json_object(), *rules = NULL, *proxy = NULL;

    int r = read_parts(network, reading, &parts, err);
    if (r < 0)
        return wr_wrap(err, "validation error: network");
    r = check(&parts, reading, err);
    if (r == 0 && json_object_size(parts.rules) > 0)
        r = wr_network_rules_read(parts.rules, reading->lenient, &rules, err);
    if (r == 0 && parts.egress_proxy)
        r = wr_network_proxy_read(parts.egress_proxy, reading->lenient, &proxy, err);
    if (r < 0)
        return r;
    if (!out || !keep_parts(out, &parts) || !keep(out, "egressProxy", proxy) ||
        !keep(out, "rules", rules))
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

json_t *wr_network_config_shown(const json_t *network)
{
    static const struct {
        const char *name;
        json_t *(*shown)(const json_t *value);
    } hiding[] = {
        {"rules", wr_network_rules_shown},
        {"egressProxy", wr_network_proxy_shown},
    };
    wr_auto_json *out = json_copy((json_t *)(uintptr_t)network);

    for (size_t i = 0; out && i < WR_ARRAY_SIZE(hiding); i++) {
        const json_t *value = json_object_get(network, hiding[i].name);
        if (value && json_object_set_new(out, hiding[i].name, hiding[i].shown(value)) < 0)
            return NULL;
    }
    return json_incref(out);
}

bool wr_network_config_is_public(const json_t *network)
{
    return !json_is_false(json_object_get(network, "allowPublicTraffic"));
}
