#include "server/api/network_lists.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "server/api/network_config.h"
#include "server/egress/address.h"
#include "server/egress/domain_set.h"

#define MAX_ENTRY 300

/* A range and its place in denyOut. */
struct denied {
    struct wr_ip_range range;
    size_t index;
};

/* NULL when it is not a string without NUL bytes. */
static const char *entry(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && strlen(text) == json_string_length(value) && strlen(text) <= MAX_ENTRY ? text
                                                                                          : NULL;
}

/* 0.0.0.0 or ::, with or without a prefix length. */
static bool is_unspecified(const char *text, const struct wr_ip_range *range)
{
    static const struct wr_ip v4 = {.bytes = {[10] = 0xff, [11] = 0xff}}, v6 = {{0}};

    return wr_ip_equal(&range->base, &v6) || wr_ip_equal(&range->base, &v4) ||
           wr_starts_with(text, "0.0.0.0");
}

static int bad_deny(const char *text, size_t index, const char *why, struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "invalid denied CIDR %.60s (network.denyOut[%zu]: %s)", text ? text : "", index,
                   why);
}

static int check_deny(const json_t *list, struct denied *denied, bool *ret_all,
                      struct wr_error *err)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value) {
        const char *text = entry(value);
        if (!text)
            return bad_deny(text, i, "not a text, or too long", err);
        denied[i].index = i;
        if (!wr_ip_range_parse(text, &denied[i].range))
            return bad_deny(text, i,
                            wr_domain_is_pattern(text) ? "only addresses and ranges can be denied"
                                                       : "not an address or a range",
                            err);
        bool all = wr_streq(text, WR_ALL_TRAFFIC);
        if (!all && is_unspecified(text, &denied[i].range))
            return bad_deny(text, i, "everything is written 0.0.0.0/0", err);
        *ret_all = *ret_all || all;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct denied *x = a, *y = b;
    int order = memcmp(x->range.base.bytes, y->range.base.bytes, sizeof x->range.base.bytes);

    return order ? order : (int)x->range.prefix - (int)y->range.prefix;
}

static int check_allowed_range(const struct wr_ip_range *range, size_t index,
                               const struct denied *denied, size_t count, struct wr_error *err)
{
    const struct denied key = {.range = *range};
    const struct denied *same = count ? bsearch(&key, denied, count, sizeof key, compare) : NULL;
    char text[WR_IP_RANGE_TEXT];

    if (!same)
        return 0;
    wr_ip_range_format(range, text);
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "network.allowOut[%zu]: %s is network.denyOut[%zu] too; what is allowed wins, "
                   "so leave it out of one of them",
                   index, text, same->index);
}

static int check_allow(const struct wr_network_lists *lists, bool all_denied,
                       const struct denied *denied, struct wr_error *err)
{
    struct wr_ip_range range;
    const json_t *value;
    size_t i;

    json_array_foreach(lists->allow, i, value) {
        const char *text = entry(value);
        bool is_range = text && wr_ip_range_parse(text, &range);
        if (!text || (!is_range && !wr_domain_is_pattern(text)))
            return wr_fail(
                err, WR_E_INVALID_ARGUMENT, 0,
                "invalid allowed address %.60s (network.allowOut[%zu]: %s)", text ? text : "", i,
                text ? "not an address, a range, a domain or *.domain" : "not a text, or too long");
        if (!is_range && !all_denied)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "When specifying allowed domains in allow out, you must include "
                           "'ALL_TRAFFIC' in deny out to block all other traffic. "
                           "(network.allowOut[%zu]: %.60s)",
                           i, text);
        int r = is_range ? check_allowed_range(&range, i, denied, json_array_size(lists->deny), err)
                         : 0;
        if (r < 0)
            return r;
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
                           "network.dnsServers[%zu]: \"%.60s\" is not an IPv4 address", i,
                           text ? text : "(not a text)");
    }
    return 0;
}

int wr_network_lists_check(const struct wr_network_lists *lists, struct wr_error *err)
{
    size_t count = json_array_size(lists->deny);
    wr_auto_free struct denied *denied = wr_calloc(WR_MAX(count, (size_t)1), sizeof *denied);
    bool all_denied = lists->no_internet;

    if (!denied)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "network.denyOut");
    int r = check_deny(lists->deny, denied, &all_denied, err);
    if (r < 0)
        return r;
    qsort(denied, count, sizeof *denied, compare);
    r = check_allow(lists, all_denied, denied, err);
    return r < 0 ? r : check_dns(lists->dns, err);
}
