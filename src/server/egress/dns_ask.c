#include "server/egress/dns_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "server/egress/dns_forward.h"
#include "server/egress/dns_internal.h"
#include "server/egress/dns_reverse.h"

#define GROUP_TTL_S 1 /* members come and go */

/* Record types that are answered at all. */
enum treatment { REFUSED_ALWAYS, ADDRESSES, FORWARDED };
static const struct {
    uint16_t type;
    enum treatment treatment;
} treatments[] = {
    {WR_DNS_A, ADDRESSES},    {WR_DNS_AAAA, ADDRESSES},  {WR_DNS_MX, FORWARDED},
    {WR_DNS_TXT, FORWARDED},  {WR_DNS_SRV, FORWARDED},   {WR_DNS_PTR, FORWARDED},
    {WR_DNS_NS, FORWARDED},   {WR_DNS_SOA, FORWARDED},   {WR_DNS_CAA, FORWARDED},
    {WR_DNS_SVCB, FORWARDED}, {WR_DNS_HTTPS, FORWARDED}, {WR_DNS_CNAME, FORWARDED},
};

static enum treatment treatment_of(uint16_t type)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(treatments); i++)
        if (treatments[i].type == type)
            return treatments[i].treatment;
    return REFUSED_ALWAYS;
}

struct wr_dns_ask *wr_dns_ask_new(struct wr_dns *dns, bool tcp)
{
    struct wr_dns_ask *ask = wr_calloc(1, sizeof *ask);

    if (!ask)
        return NULL;
    ask->dns = dns;
    ask->max = tcp ? WR_DNS_FORWARD_MAX : 0; /* by UDP the question says it */
    wr_list_append(&dns->asks, &ask->link);
    dns->ask_count++;
    return ask;
}

void wr_dns_ask_cancel(struct wr_dns_ask *ask)
{
    wr_resolve_cancel(&ask->resolve);
    wr_resolve_raw_cancel(&ask->raw);
    ask->policy = wr_net_policy_put(ask->policy);
    wr_list_remove(&ask->link);
    ask->dns->ask_count--;
    free(ask);
}

static void finish(struct wr_dns_ask *ask, const unsigned char *message, size_t len)
{
    ask->answer(ask, message, len);
    wr_dns_ask_cancel(ask);
}

/* ---- answers with their line in the log ---- */

/* "A -> 93.184.216.34 +1", "TXT -> NXDOMAIN". */
static void log_found(struct wr_dns_ask *ask, const char *answer, const struct wr_ip *address,
                      enum wr_net_verdict verdict, const char *rule)
{
    struct wr_net_event event = {.kind = WR_NET_EVENT_DNS, .verdict = verdict};
    char type[WR_DNS_TYPE_TEXT];

    wr_dns_type_text(ask->question.type, type);
    (void)snprintf(event.name, sizeof event.name, "%s", ask->question.name);
    (void)snprintf(event.rule, sizeof event.rule, "%s", rule);
    (void)snprintf(event.detail, sizeof event.detail, "%s -> %s", type, answer);
    event.has_address = address != NULL;
    if (address)
        event.address = *address;
    wr_dns_log(ask->dns, &event);
}

static void log_answer(struct wr_dns_ask *ask, enum wr_net_verdict verdict, const char *rule,
                       const char *answer)
{
    log_found(ask, answer, NULL, verdict, rule);
}

static void reply(struct wr_dns_ask *ask, const struct wr_dns_reply *what)
{
    unsigned char out[WR_DNS_REPLY_MAX];

    finish(ask, out, wr_dns_build_reply(&ask->question, what, ask->max, out));
}

static void reply_empty(struct wr_dns_ask *ask, enum wr_dns_rcode rcode)
{
    const struct wr_dns_reply empty = {.rcode = rcode};

    reply(ask, &empty);
}

static void deny(struct wr_dns_ask *ask, enum wr_dns_rcode rcode, const char *rule)
{
    log_answer(ask, WR_NET_DENY, rule,
               rcode == WR_DNS_NOERROR ? "no data" : wr_dns_rcode_text(rcode));
    reply_empty(ask, rcode);
}

static void deny_blocked(struct wr_dns_ask *ask, enum wr_dns_rcode rcode, const char *blocked)
{
    char rule[WR_POLICY_RULE_TEXT];

    (void)snprintf(rule, sizeof rule, "blocked: %s", blocked);
    deny(ask, rcode, rule);
}

static void reply_addresses(struct wr_dns_ask *ask, const struct wr_ip *addresses, size_t count,
                            uint32_t ttl_s)
{
    const struct wr_dns_reply found = {.addresses = addresses, .count = count, .ttl_s = ttl_s};
    char first[WR_IP_TEXT], text[WR_IP_TEXT + 24];

    wr_ip_format(&addresses[0], first);
    if (count > 1)
        (void)snprintf(text, sizeof text, "%s +%zu", first, count - 1);
    else
        (void)snprintf(text, sizeof text, "%s", first);
    log_found(ask, text, &addresses[0], WR_NET_ALLOW, ask->rule);
    for (size_t i = 0; i < count; i++)
        wr_answered_names_add(&ask->dns->answered, &addresses[i], ask->question.name);
    reply(ask, &found);
}

/* ---- what the resolver found ---- */

/* The policy may have become another one meanwhile. True when the question was denied by it. */
static bool denied_meanwhile(struct wr_dns_ask *ask)
{
    struct wr_net_decision decision;

    if (*ask->dns->opts.policy == ask->policy)
        return false;
    wr_net_policy_resolve(*ask->dns->opts.policy, ask->question.name, &decision);
    if (decision.verdict == WR_NET_ALLOW && (treatment_of(ask->question.type) == ADDRESSES ||
                                             wr_net_policy_all_records(*ask->dns->opts.policy)))
        return false;
    deny(ask, WR_DNS_REFUSED, decision.verdict == WR_NET_DENY ? decision.rule : "record type");
    return true;
}

static void on_resolved(struct wr_resolve *resolve)
{
    struct wr_dns_ask *ask = wr_container_of(resolve, struct wr_dns_ask, resolve);
    static const struct {
        enum wr_dns_rcode rcode;
        const char *text;
    } empty[] = {
        [WR_RESOLVE_NO_NAME] = {WR_DNS_NXDOMAIN, "NXDOMAIN"},
        [WR_RESOLVE_NO_DATA] = {WR_DNS_NOERROR, "no data"},
        [WR_RESOLVE_FAILED] = {WR_DNS_SERVFAIL, "SERVFAIL: the host's resolvers gave no answer"},
    };

    if (denied_meanwhile(ask))
        return;
    switch (resolve->outcome) {
    case WR_RESOLVE_OK:
        reply_addresses(ask, resolve->addresses, resolve->count, resolve->ttl_s);
        return;
    case WR_RESOLVE_BLOCKED:
        deny_blocked(ask, WR_DNS_NOERROR, resolve->blocked);
        return;
    case WR_RESOLVE_NO_NAME:
    case WR_RESOLVE_NO_DATA:
    case WR_RESOLVE_FAILED:
        log_answer(ask, WR_NET_ALLOW, ask->rule, empty[resolve->outcome].text);
        reply_empty(ask, empty[resolve->outcome].rcode);
        return;
    }
}

static void on_raw(struct wr_resolve_raw *raw, const unsigned char *message, size_t len)
{
    struct wr_dns_ask *ask = wr_container_of(raw, struct wr_dns_ask, raw);
    unsigned char out[WR_DNS_FORWARD_MAX];
    struct wr_dns_forward forward = {.outcome = WR_DNS_FORWARD_BAD};
    char text[32];

    if (denied_meanwhile(ask))
        return;
    if (message)
        forward = wr_dns_forward(&ask->question, message, len,
                                 wr_resolver_guard(ask->dns->opts.resolver), ask->max, out);
    switch (forward.outcome) {
    case WR_DNS_FORWARDED:
        if (forward.rcode == WR_DNS_NOERROR)
            (void)snprintf(text, sizeof text, "%u records", forward.records);
        else
            (void)snprintf(text, sizeof text, "%s", wr_dns_rcode_text((int)forward.rcode));
        log_answer(ask, WR_NET_ALLOW, ask->rule, text);
        finish(ask, out, forward.len);
        return;
    case WR_DNS_FORWARD_BLOCKED:
        deny_blocked(ask, WR_DNS_NOERROR, forward.blocked);
        return;
    case WR_DNS_FORWARD_BAD:
        log_answer(ask, WR_NET_ALLOW, ask->rule, "SERVFAIL: no good answer came");
        reply_empty(ask, WR_DNS_SERVFAIL);
        return;
    }
}

/* ---- judging ---- */

/* Names of the sandbox's group never leave the machine. */
static void answer_group(struct wr_dns_ask *ask)
{
    const struct wr_dns_opts *opts = &ask->dns->opts;
    struct wr_ip ip;

    if (!opts->groups ||
        !wr_net_groups_resolve(opts->groups, opts->sandbox_id, ask->question.name, &ip)) {
        deny(ask, WR_DNS_NXDOMAIN, "no such member of the sandbox's group");
        return;
    }
    (void)snprintf(ask->rule, sizeof ask->rule, "group");
    if (ask->question.type == (wr_ip_is_v4(&ip) ? WR_DNS_A : WR_DNS_AAAA)) {
        reply_addresses(ask, &ip, 1, GROUP_TTL_S);
    } else {
        log_answer(ask, WR_NET_ALLOW, ask->rule, "no data");
        reply_empty(ask, WR_DNS_NOERROR);
    }
}

/* Reverse names: those of addresses that no sandbox reaches would tell about the host's network.
 * True when that was the answer. */
static bool deny_reverse(struct wr_dns_ask *ask)
{
    struct wr_ip ip;
    const char *blocked = NULL;

    switch (wr_dns_reverse_parse(ask->question.name, &ip)) {
    case WR_DNS_REVERSE_ADDRESS:
        blocked = wr_guard_check(wr_resolver_guard(ask->dns->opts.resolver), &ip, 0);
        break;
    case WR_DNS_REVERSE_OTHER:
        blocked = "reverse name of no address";
        break;
    case WR_DNS_REVERSE_NONE:
        break;
    }
    if (blocked)
        deny_blocked(ask, WR_DNS_NXDOMAIN, blocked);
    return blocked != NULL;
}

static bool in_group_domain(const char *name)
{
    return wr_streq(name, WR_GROUP_DOMAIN) || wr_ends_with(name, "." WR_GROUP_DOMAIN);
}

static void resolve(struct wr_dns_ask *ask, enum treatment treatment)
{
    struct wr_resolver *resolver = ask->dns->opts.resolver;
    const struct wr_dns_question *question = &ask->question;

    /* Whoever leaves as much room as he takes up cannot shut out others. */
    if (ask->dns->ask_count > WR_MIN(wr_resolver_room(resolver), (size_t)WR_DNS_MAX_PENDING)) {
        deny(ask, WR_DNS_SERVFAIL, "too many questions under way");
        return;
    }
    ask->policy = wr_net_policy_hold(*ask->dns->opts.policy);
    if (treatment == ADDRESSES) {
        ask->resolve.fn = on_resolved;
        wr_resolver_start(resolver, &ask->resolve, question->name,
                          question->type == WR_DNS_A ? WR_RESOLVE_V4 : WR_RESOLVE_V6);
    } else {
        ask->raw.fn = on_raw;
        wr_resolver_start_raw(resolver, &ask->raw, question->name, question->type);
    }
}

static void judge(struct wr_dns_ask *ask)
{
    const struct wr_dns_question *question = &ask->question;
    const struct wr_net_policy *policy = *ask->dns->opts.policy;
    const enum treatment treatment = treatment_of(question->type);
    struct wr_net_decision decision;

    if (question->class != WR_DNS_CLASS_IN || treatment == REFUSED_ALWAYS) {
        deny(ask, WR_DNS_REFUSED, "record type");
        return;
    }
    if (question->name[0] == '\0') {
        deny(ask, WR_DNS_REFUSED, "no host name");
        return;
    }
    if (in_group_domain(question->name)) {
        answer_group(ask);
        return;
    }
    wr_net_policy_resolve(policy, question->name, &decision);
    if (decision.verdict == WR_NET_DENY) {
        deny(ask, WR_DNS_REFUSED, decision.rule);
        return;
    }
    if (deny_reverse(ask))
        return;
    if (treatment == FORWARDED && !wr_net_policy_all_records(policy)) {
        deny(ask, WR_DNS_NOERROR, "record type");
        return;
    }
    (void)snprintf(ask->rule, sizeof ask->rule, "%s", decision.rule);
    resolve(ask, treatment);
}

void wr_dns_ask_begin(struct wr_dns_ask *ask, const unsigned char *message, size_t len)
{
    struct wr_net_event event = {.kind = WR_NET_EVENT_DNS, .verdict = WR_NET_DENY};
    int r = wr_dns_parse_question(message, len, &ask->question);

    if (ask->max == 0)
        ask->max = ask->question.udp_size;
    if (r == 0) {
        judge(ask);
        return;
    }
    (void)snprintf(event.rule, sizeof event.rule, "malformed question");
    (void)snprintf(event.detail, sizeof event.detail, "%zu bytes -> %s", len,
                   r < 0 ? "nothing" : wr_dns_rcode_text(r));
    wr_dns_log(ask->dns, &event);
    if (r < 0)
        finish(ask, NULL, 0);
    else
        reply_empty(ask, (enum wr_dns_rcode)r);
}
