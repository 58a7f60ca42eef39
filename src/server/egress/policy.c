#include "server/egress/policy.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "server/egress/domain_set.h"
#include "server/egress/proxy_address.h"

#define ALL_TRAFFIC "0.0.0.0/0"
#define PORT_HTTP   80
#define PORT_HTTPS  443

static const char no_internet[] = "allow_internet_access: false";

struct range_rule {
    struct wr_ip_range range;
    bool all; /* 0.0.0.0/0: both families */
    size_t index;
};

struct range_list {
    struct range_rule *rules; /* owned */
    size_t count;
    bool everything; /* one of them is `all` */
};

struct transform {
    struct wr_net_transform public; /* what it points to is owned */
    struct wr_net_header *headers;  /* the same memory, not const */
};

struct wr_net_policy {
    unsigned references;
    bool internet;
    struct range_list allow, deny;
    struct wr_domain_set allow_domains;
    char **allow_texts; /* of allowOut, owned */
    size_t allow_text_count;
    struct transform *transforms; /* owned */
    size_t transform_count;
    struct wr_domain_set transform_domains;
    bool has_proxy;
    struct wr_net_proxy proxy; /* what it points to is owned */
    char *group, *hostname;    /* owned */
};

/* ---- its end ---- */

static void free_secret(const char *text)
{
    char *owned = (char *)(uintptr_t)text;

    if (owned)
        explicit_bzero(owned, strlen(owned));
    free(owned);
}

static void free_policy(struct wr_net_policy *policy)
{
    for (size_t i = 0; i < policy->transform_count; i++) {
        struct transform *transform = &policy->transforms[i];
        for (size_t k = 0; k < transform->public.header_count; k++) {
            free((char *)(uintptr_t)transform->headers[k].name);
            free_secret(transform->headers[k].value);
        }
        free(transform->headers);
        free((char *)(uintptr_t)transform->public.domain);
    }
    for (size_t i = 0; i < policy->allow_text_count; i++)
        free(policy->allow_texts[i]);
    free(policy->transforms);
    free(policy->allow_texts);
    free(policy->allow.rules);
    free(policy->deny.rules);
    wr_domain_set_done(&policy->allow_domains);
    wr_domain_set_done(&policy->transform_domains);
    free((char *)(uintptr_t)policy->proxy.host);
    free_secret(policy->proxy.username);
    free_secret(policy->proxy.password);
    free(policy->group);
    free(policy->hostname);
    free(policy);
}

struct wr_net_policy *wr_net_policy_hold(struct wr_net_policy *policy)
{
    policy->references++;
    return policy;
}

struct wr_net_policy *wr_net_policy_put(struct wr_net_policy *policy)
{
    if (policy && --policy->references == 0)
        free_policy(policy);
    return NULL;
}

/* ---- from settings ---- */

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy of a sandbox");
}

static int not_valid(struct wr_error *err, const char *what, size_t index)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.%s[%zu]: not valid", what, index);
}

static bool add_range(struct range_list *list, const char *text, size_t index)
{
    struct range_rule rule = {.index = index, .all = wr_streq(text, ALL_TRAFFIC)};

    if (!wr_ip_range_parse(text, &rule.range))
        return false;
    list->everything = list->everything || rule.all;
    list->rules[list->count++] = rule;
    return true;
}

static int read_deny(struct wr_net_policy *policy, const json_t *list, struct wr_error *err)
{
    const json_t *value;
    size_t i;

    if (json_array_size(list) == 0)
        return 0;
    policy->deny.rules = wr_calloc(json_array_size(list), sizeof *policy->deny.rules);
    if (!policy->deny.rules)
        return no_memory(err);
    json_array_foreach(list, i, value)
        if (!json_is_string(value) || !add_range(&policy->deny, json_string_value(value), i))
            return not_valid(err, "denyOut", i);
    return 0;
}

static int read_allow(struct wr_net_policy *policy, const json_t *list, struct wr_error *err)
{
    size_t count = json_array_size(list), i;
    const json_t *value;

    if (count == 0)
        return 0;
    policy->allow.rules = wr_calloc(count, sizeof *policy->allow.rules);
    policy->allow_texts = wr_calloc(count, sizeof *policy->allow_texts);
    if (!policy->allow.rules || !policy->allow_texts)
        return no_memory(err);
    json_array_foreach(list, i, value) {
        const char *text = json_string_value(value);
        bool is_range = text && add_range(&policy->allow, text, i);
        if (!text || (!is_range && !wr_domain_is_pattern(text)))
            return not_valid(err, "allowOut", i);
        policy->allow_texts[i] = wr_strdup(text);
        if (!policy->allow_texts[i])
            return no_memory(err);
        policy->allow_text_count++;
        if (!is_range && wr_domain_set_add(&policy->allow_domains, text, i) < 0)
            return no_memory(err);
    }
    wr_domain_set_sort(&policy->allow_domains);
    return 0;
}

static int read_headers(struct transform *transform, const json_t *headers, struct wr_error *err)
{
    const char *name;
    json_t *value;

    if (json_object_size(headers) == 0)
        return 0;
    transform->headers = wr_calloc(json_object_size(headers), sizeof *transform->headers);
    if (!transform->headers)
        return no_memory(err);
    transform->public.headers = transform->headers;
    json_object_foreach((json_t *)(uintptr_t)headers, name, value) {
        if (!json_is_string(value))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.rules: %.60s: not a string",
                           name);
        struct wr_net_header *header = &transform->headers[transform->public.header_count++];
        header->name = wr_strdup(name);
        header->value = wr_strdup(json_string_value(value));
        if (!header->name || !header->value)
            return no_memory(err);
    }
    return 0;
}

/* {"<pattern>": [{"transform": {"headers": {...}}}]}: a domain without headers is none. */
static int read_rules(struct wr_net_policy *policy, const json_t *rules, struct wr_error *err)
{
    const char *domain;
    json_t *list;

    if (json_object_size(rules) == 0)
        return 0;
    policy->transforms = wr_calloc(json_object_size(rules), sizeof *policy->transforms);
    if (!policy->transforms)
        return no_memory(err);
    json_object_foreach((json_t *)(uintptr_t)rules, domain, list) {
        const json_t *headers =
            json_object_get(json_object_get(json_array_get(list, 0), "transform"), "headers");
        if (!wr_domain_is_pattern(domain))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "network.rules: \"%.60s\" is not a domain", domain);
        if (json_object_size(headers) == 0)
            continue;
        size_t index = policy->transform_count++;
        struct transform *transform = &policy->transforms[index];
        transform->public.domain = wr_strdup(domain);
        if (!transform->public.domain ||
            wr_domain_set_add(&policy->transform_domains, domain, index) < 0)
            return no_memory(err);
        int r = read_headers(transform, headers, err);
        if (r < 0)
            return r;
    }
    wr_domain_set_sort(&policy->transform_domains);
    return 0;
}

static int copy_text(const json_t *object, const char *key, char **ret, struct wr_error *err)
{
    const char *text = json_string_value(json_object_get(object, key));

    *ret = text ? wr_strdup(text) : NULL;
    return text && !*ret ? no_memory(err) : 0;
}

static int read_proxy(struct wr_net_policy *policy, const json_t *json, struct wr_error *err)
{
    const char *text = json_string_value(json_object_get(json, "address"));
    struct wr_proxy_address address;
    char *username = NULL, *password = NULL;

    if (!json)
        return 0;
    if (!text || !wr_proxy_address_parse(text, &address))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.egressProxy.address: not valid");
    int r = copy_text(json, "username", &username, err);
    policy->proxy.username = username;
    if (r == 0)
        r = copy_text(json, "password", &password, err);
    policy->proxy.password = password;
    policy->proxy.kind = address.kind;
    policy->proxy.port = address.port;
    policy->proxy.host = wr_strdup(address.host);
    policy->has_proxy = true;
    if (r == 0 && !policy->proxy.host)
        r = no_memory(err);
    return r;
}

int wr_net_policy_new(const json_t *network, bool internet, struct wr_net_policy **ret,
                      struct wr_error *err)
{
    struct wr_net_policy *policy = wr_calloc(1, sizeof *policy);

    if (!policy)
        return no_memory(err);
    policy->references = 1;
    policy->internet = internet;
    int r = read_deny(policy, json_object_get(network, "denyOut"), err);
    if (r == 0)
        r = read_allow(policy, json_object_get(network, "allowOut"), err);
    if (r == 0)
        r = read_rules(policy, json_object_get(network, "rules"), err);
    if (r == 0)
        r = read_proxy(policy, json_object_get(network, "egressProxy"), err);
    if (r == 0)
        r = copy_text(network, "group", &policy->group, err);
    if (r == 0)
        r = copy_text(network, "hostname", &policy->hostname, err);
    if (r < 0) {
        free_policy(policy);
        return r;
    }
    *ret = policy;
    return 0;
}

/* ---- decisions ---- */

static void decide(struct wr_net_decision *ret, enum wr_net_verdict verdict, const char *rule)
{
    *ret = (struct wr_net_decision){.verdict = verdict};
    (void)snprintf(ret->rule, sizeof ret->rule, "%s", rule);
}

static void decide_allowed(const struct wr_net_policy *policy, size_t index, bool by_name,
                           struct wr_net_decision *ret)
{
    *ret = (struct wr_net_decision){.verdict = WR_NET_ALLOW, .by_name = by_name};
    (void)snprintf(ret->rule, sizeof ret->rule, "allowOut[%zu] %.100s", index,
                   policy->allow_texts[index]);
}

static void decide_denied(const struct range_rule *rule, struct wr_net_decision *ret)
{
    char range[WR_IP_RANGE_TEXT];

    *ret = (struct wr_net_decision){.verdict = WR_NET_DENY};
    wr_ip_range_format(&rule->range, range);
    (void)snprintf(ret->rule, sizeof ret->rule, "denyOut[%zu] %s", rule->index, range);
}

static const struct range_rule *find_range(const struct range_list *list, const struct wr_ip *ip)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->rules[i].all || wr_ip_in(ip, &list->rules[i].range))
            return &list->rules[i];
    return NULL;
}

static const struct range_rule *find_everything(const struct range_list *list)
{
    for (size_t i = 0; list->everything && i < list->count; i++)
        if (list->rules[i].all)
            return &list->rules[i];
    return NULL;
}

static const struct wr_domain_entry *find_domain(const struct wr_domain_set *set, const char *name)
{
    char normal[WR_DOMAIN_MAX + 1];

    return name && wr_domain_normalize(name, normal) ? wr_domain_set_find(set, normal) : NULL;
}

static bool has_names(uint16_t port)
{
    return port == PORT_HTTP || port == PORT_HTTPS;
}

bool wr_net_policy_sniffs(const struct wr_net_policy *policy, uint16_t port)
{
    return has_names(port) &&
           (policy->allow_domains.count > 0 || policy->transform_domains.count > 0);
}

static void judge(const struct wr_net_policy *policy, const struct wr_ip *address, const char *name,
                  struct wr_net_decision *ret)
{
    const struct wr_domain_entry *domain = find_domain(&policy->allow_domains, name);
    const struct range_rule *range = domain ? NULL : find_range(&policy->allow, address);

    if (domain)
        decide_allowed(policy, domain->index, true, ret);
    else if (range)
        decide_allowed(policy, range->index, false, ret);
    else if ((range = find_range(&policy->deny, address)) != NULL)
        decide_denied(range, ret);
    else if (!policy->internet)
        decide(ret, WR_NET_DENY, no_internet);
    else
        decide(ret, WR_NET_ALLOW, "default");
}

void wr_net_policy_connect(const struct wr_net_policy *policy, const struct wr_net_guard *guard,
                           const struct wr_ip *address, uint16_t port, const char *name,
                           struct wr_net_decision *ret)
{
    const char *closed = wr_guard_check(guard, address, port);
    const char *said = has_names(port) ? name : NULL;

    if (closed) {
        *ret = (struct wr_net_decision){.verdict = WR_NET_DENY};
        (void)snprintf(ret->rule, sizeof ret->rule, "blocked: %s", closed);
        return;
    }
    judge(policy, address, said, ret);
    /* What a transform adds may be secret: it goes to the host that has the name, never to an
     * address that the sandbox chose. */
    if (ret->verdict == WR_NET_ALLOW && said && wr_net_policy_transform(policy, said))
        ret->by_name = true;
}

void wr_net_policy_resolve(const struct wr_net_policy *policy, const char *name,
                           struct wr_net_decision *ret)
{
    const struct range_rule *denied = find_everything(&policy->deny);
    const struct range_rule *allowed = find_everything(&policy->allow);
    const struct wr_domain_entry *domain = find_domain(&policy->allow_domains, name);

    if (domain)
        decide_allowed(policy, domain->index, true, ret);
    else if (allowed)
        decide_allowed(policy, allowed->index, false, ret);
    else if (denied)
        decide_denied(denied, ret);
    else if (!policy->internet)
        decide(ret, WR_NET_DENY, no_internet);
    else
        decide(ret, WR_NET_ALLOW, "default");
}

bool wr_net_policy_all_records(const struct wr_net_policy *policy)
{
    return policy->allow.everything || (policy->internet && !policy->deny.everything);
}

const struct wr_net_transform *wr_net_policy_transform(const struct wr_net_policy *policy,
                                                       const char *name)
{
    const struct wr_domain_entry *found = find_domain(&policy->transform_domains, name);

    return found ? &policy->transforms[found->index].public : NULL;
}

bool wr_net_policy_transforms(const struct wr_net_policy *policy)
{
    return policy->transform_domains.count > 0;
}

const struct wr_net_proxy *wr_net_policy_proxy(const struct wr_net_policy *policy)
{
    return policy->has_proxy ? &policy->proxy : NULL;
}

const char *wr_net_policy_group(const struct wr_net_policy *policy)
{
    return policy->group;
}

const char *wr_net_policy_hostname(const struct wr_net_policy *policy)
{
    return policy->hostname;
}
